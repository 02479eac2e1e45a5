-- Active users and events of one customer by UTC day, from the daily roll-up.
SELECT day, {{count_distinct(CASE WHEN active_events > 0 THEN end_user_id END)}} AS users, sum(events) AS events
FROM daily
WHERE <<mine>>
GROUP BY day
ORDER BY day
