-- Customers that changed users belong to, or belonged to before.
SELECT DISTINCT customer_id AS id FROM changed_users WHERE customer_id IS NOT NULL
UNION
SELECT DISTINCT stored.customer_id AS id
FROM stored SEMI JOIN changed_users ON changed_users.id = stored.id
WHERE stored.customer_id IS NOT NULL
