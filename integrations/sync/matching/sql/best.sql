-- For each of our keys that the other side has: a record with it and how many there are.
SELECT ours.id AS id, ours.k AS k, found.best AS best, found.n AS n
FROM ours
JOIN (
    SELECT hit.k AS k, min(hit.record) AS best, count(*) AS n
    FROM (SELECT <key> AS k, "Id" AS record FROM theirs WHERE <key> IS NOT NULL) AS hit
    SEMI JOIN ours ON ours.k = hit.k
    GROUP BY hit.k
) AS found ON found.k = ours.k
