(
    SELECT r.subject AS subject, v.value AS value, v.record AS record, v.rank AS rank
    FROM <<values>> AS v
    JOIN roads AS r ON r.account_id = v.account
)
