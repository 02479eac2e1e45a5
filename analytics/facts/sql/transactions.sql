-- Transactions with the subject of their account, and the day on which a field says that the account left.
SELECT
    t.record AS record, r.subject AS subject, t.amount AS amount, t.quantity AS quantity, t.starts_on AS starts_on,
    t.ends_on AS ends_on, t.months AS months, t.currency AS currency, t.product AS product, t.contract_type AS contract_type,
    t.raw_contract AS raw_contract, c.churned AS churned
FROM raw_transactions AS t
JOIN roads AS r ON r.account_id = t.account
LEFT JOIN churn_fields AS c ON c.account_id = r.living_id
