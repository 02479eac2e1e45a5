-- The first day on which something of a kind happened, not before the account's start: by milestones, by movements for accounts
-- that have no milestone of it.
SELECT p.i AS i, min(CASE WHEN e.day >= p.begins THEN e.day END) AS since_start, min(CASE WHEN e.day >= p.landmark THEN e.day END) AS since_landmark
FROM (
    SELECT subject, {{day_of("at")}} AS day FROM milestones WHERE kind = $milestone AND "at" IS NOT NULL
    UNION ALL
    SELECT subject, day FROM movements
    WHERE kind = $movement AND subject NOT IN (SELECT subject FROM milestones WHERE kind = $milestone AND "at" IS NOT NULL)
) AS e
JOIN population AS p ON p.subject = e.subject
GROUP BY p.i
