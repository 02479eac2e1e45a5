-- The linking id of each account: of several records the one that comes first.
SELECT account_id, value, {{lower(value)}} AS folded
FROM (
    SELECT
        coalesce(m.winner, r.account) AS account_id, r.value AS value,
        row_number() OVER (PARTITION BY coalesce(m.winner, r.account) ORDER BY r.rank, r.ordered, r.record) AS place
    FROM linking_records AS r
    LEFT JOIN merged_accounts AS m ON m.loser = r.account
    WHERE r.account IS NOT NULL
) AS ranked
WHERE place = 1
