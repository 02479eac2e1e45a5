-- Customers that were merged count under the one that stands for them, people without a customer under that which they have by now.
SELECT coalesce(m.survivor_id, p.customer_id, l.customer_id) AS customer_id, p.end_user_id AS end_user_id, <<bits>>
FROM (<<persons>>) AS p
LEFT JOIN merged AS m ON m.merged_id = p.customer_id
LEFT JOIN late AS l ON p.customer_id IS NULL AND l.user_id = p.end_user_id
GROUP BY 1, 2
