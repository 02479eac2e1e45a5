-- The same by name of the event.
SELECT day, customer_id, end_user_id, name, count(*) AS events
FROM events
WHERE customer_id IS NOT NULL OR end_user_id IS NOT NULL
GROUP BY day, customer_id, end_user_id, name
ORDER BY day, customer_id, end_user_id, name
