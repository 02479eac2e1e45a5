-- The roll-up of some UTC days: what each end user of each customer did on a day, in one row.
SELECT day, customer_id, end_user_id, count(*) AS events, {{count_if(NOT coalesce(automatic, false))}} AS active_events<<columns>>
FROM events
WHERE customer_id IS NOT NULL OR end_user_id IS NOT NULL
GROUP BY day, customer_id, end_user_id
ORDER BY day, customer_id, end_user_id
