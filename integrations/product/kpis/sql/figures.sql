-- Every living customer with all counts beside it; what is missing is null.
SELECT c.customer_id AS customer_id, <<columns>>
FROM customers AS c
LEFT JOIN users AS u ON u.customer_id = c.customer_id
LEFT JOIN events_of_features AS e ON e.customer_id = c.customer_id
LEFT JOIN answers_counted AS a ON a.customer_id = c.customer_id
LEFT JOIN active AS x ON x.customer_id = c.customer_id
LEFT JOIN shown AS y ON y.customer_id = c.customer_id
