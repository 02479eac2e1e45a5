-- What happened to each subject in each month besides its recurring revenue.
SELECT
    subject, month, sum(one_time) AS one_time, sum(active_days) AS active_days, sum(active_users) AS active_users,
    sum(events) AS events, sum(tickets) AS tickets, sum(touches) AS touches, sum(responses) AS responses
FROM (
    SELECT
        subject, {{month_of(starts_on)}} AS month, coalesce(amount, 0) AS one_time, 0 AS active_days, 0 AS active_users,
        0 AS events, 0 AS tickets, 0 AS touches, 0 AS responses
    FROM spans
    WHERE kind = 'one_time' AND starts_on < $until
    UNION ALL
    SELECT
        'c' || CAST(customer_id AS {{text}}) AS subject, month, CAST(0 AS {{number}}), active_days, active_users, events,
        0, 0, 0
    FROM activity
    WHERE events > 0
    UNION ALL
    SELECT subject, {{month_of({{day_of("at")}})}} AS month, CAST(0 AS {{number}}), 0, 0, 0, 1, 0, 0 FROM tickets
    UNION ALL
    SELECT
        subject, {{month_of({{day_of("at")}})}} AS month, CAST(0 AS {{number}}), 0, 0, 0, 0, 1,
        CASE WHEN state = 'responded' THEN 1 ELSE 0 END
    FROM touches
) AS happened<<recent>>
GROUP BY subject, month
