-- The day on which each account left, by a mapped field; days to come are plans.
SELECT r.living_id AS account_id, max({{day_of(v.value)}}) AS churned
FROM churn_values AS v
JOIN roads AS r ON r.account_id = v.account
WHERE v.value < $until
GROUP BY r.living_id
