-- The $most most recently seen users of each customer (last seen descending, then id); few users need no ranking (PX-54).
SELECT users.customer_id AS customer_id, <value> AS value
FROM users
JOIN sizes ON sizes.of_customer = users.customer_id
WHERE sizes.n <= $most
UNION ALL
SELECT customer_id, value
FROM (
    SELECT
        users.customer_id AS customer_id, <value> AS value,
        row_number() OVER (PARTITION BY users.customer_id ORDER BY users.last_seen_at DESC NULLS LAST, users.id) AS place
    FROM users
    JOIN sizes ON sizes.of_customer = users.customer_id
    WHERE sizes.n > $most
) AS ranked
WHERE place <= $most
