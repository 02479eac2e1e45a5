-- Subjects of which revenue may have moved since the last computation.
SELECT DISTINCT subject
FROM (
    SELECT subject FROM changed_subjects
    UNION ALL
    SELECT subject
    FROM spans
    WHERE kind = 'recurring' AND ((starts_on >= $since AND starts_on < $until) OR (ends_on >= $since AND ends_on < $until))
) AS moved
