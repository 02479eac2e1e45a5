-- What each customer's users did in each month: days and users with an event that a person caused, and such events.
SELECT
    {{month_of(day)}} AS month, customer_id, CAST({{count_distinct(CASE WHEN active_events > 0 THEN day END)}} AS {{whole}}) AS active_days,
    CAST({{count_distinct(CASE WHEN active_events > 0 THEN end_user_id END)}} AS {{whole}}) AS active_users,
    CAST(sum(active_events) AS {{whole}}) AS events, min(day) AS first_day, max(day) AS last_day
FROM (
    SELECT
        d.day AS day, coalesce(m.survivor_id, d.customer_id, l.customer_id) AS customer_id, d.end_user_id AS end_user_id,
        d.active_events AS active_events
    FROM (
        SELECT day, customer_id, end_user_id, active_events FROM rolled
        UNION ALL
        SELECT day, customer_id, end_user_id, active_events FROM due_days
    ) AS d
    LEFT JOIN merged AS m ON m.merged_id = d.customer_id
    LEFT JOIN late AS l ON d.customer_id IS NULL AND l.user_id = d.end_user_id
) AS happened
WHERE customer_id IS NOT NULL
GROUP BY 1, 2
ORDER BY 1, 2
