-- One value of an account attribute for each subject: of the source that comes first, then the first account's own, then the
-- first or latest record.
SELECT subject, value, record, rank
FROM (
    SELECT
        r.subject AS subject, v.value AS value, v.record AS record, v.rank AS rank,
        row_number() OVER (PARTITION BY r.subject ORDER BY v.rank, <<order>>, v.record) AS place
    FROM <<values>> AS v
    JOIN roads AS r ON r.account_id = v.account
) AS ranked
WHERE place = 1
