-- Events of features by customer; people without a customer stay apart until their customer is known.
SELECT customer_id, CASE WHEN customer_id IS NULL THEN end_user_id END AS end_user_id, <<sums>>
FROM activity
WHERE <<instant>> >= $first AND <<instant>> < $last
GROUP BY 1, 2
