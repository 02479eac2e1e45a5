-- Rows that differ from what is stored, in any figure or by being new.
SELECT <<columns>>
FROM fresh AS f
LEFT JOIN stored AS s ON s.customer_id = f.customer_id
WHERE s.customer_id IS NULL OR <<differs>>
ORDER BY f.customer_id
