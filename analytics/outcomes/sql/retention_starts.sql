-- The first start event of each customer, or of each person at a customer.
SELECT 'c' || CAST(customer_id AS {{text}}) AS subject, customer_id, <<who>> AS end_user_id, min(moment) AS began
FROM (<<acts>>) AS acts
WHERE did0 <<named>>
GROUP BY customer_id<<also>>
