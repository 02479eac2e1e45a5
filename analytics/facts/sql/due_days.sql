-- Days that are not rolled up yet, in the same shape.
SELECT
    day, customer_id, end_user_id, count(*) AS events,
    {{count_if(NOT coalesce(automatic, false))}} AS active_events
FROM due_events
WHERE customer_id IS NOT NULL OR end_user_id IS NOT NULL
GROUP BY day, customer_id, end_user_id
