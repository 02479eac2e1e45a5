-- In which windows each end user of each customer did what: one bit a window and slot.
SELECT customer_id, end_user_id, <<bits>>
FROM (
    SELECT customer_id, end_user_id, <<masks>>, CAST(<<window>> AS {{whole}}) AS in_windows
    FROM activity
    WHERE <<instant>> >= $first AND <<instant>> < $last AND end_user_id IS NOT NULL
) AS rows_in_span
GROUP BY customer_id, end_user_id
