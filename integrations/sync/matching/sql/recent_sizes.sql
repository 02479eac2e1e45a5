-- Customers that have enough users for the rule at all, and how many.
SELECT users.customer_id AS of_customer, count(*) AS n
FROM users
SEMI JOIN <rest> AS rest ON rest.id = users.customer_id
GROUP BY users.customer_id
HAVING count(*) >= $at_least
