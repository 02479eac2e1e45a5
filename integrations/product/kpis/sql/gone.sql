-- Stored customers that are merged, erased or deleted by now.
SELECT s.customer_id AS customer_id, s.customer_id AS id, CAST($now AS {{moment}}) AS computed_at, true AS removed
FROM stored AS s
LEFT JOIN customers AS c ON c.customer_id = s.customer_id
WHERE c.customer_id IS NULL
ORDER BY s.customer_id
