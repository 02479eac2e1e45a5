-- Everything that happened to each subject in each month, side by side. Money has two places while it is added up, which is quicker.
SELECT
    b.subject AS subject, b.customer_id AS customer_id, p.month AS month,
    CAST(p.mrr_start AS {{number}}) AS mrr_start, CAST(p.mrr_end AS {{number}}) AS mrr_end, CAST(p.new AS {{number}}) AS new,
    CAST(p.expansion AS {{number}}) AS expansion, CAST(p.contraction AS {{number}}) AS contraction,
    CAST(p.churn AS {{number}}) AS churn, CAST(p.reactivation AS {{number}}) AS reactivation,
    CAST(p.one_time AS {{number}}) AS one_time, CAST(p.active_days AS {{whole}}) AS active_days,
    CAST(p.active_users AS {{whole}}) AS active_users, CAST(p.events AS {{whole}}) AS events,
    CAST(p.tickets AS {{whole}}) AS tickets, CAST(p.touches AS {{whole}}) AS touches, CAST(p.responses AS {{whole}}) AS responses
FROM (
    SELECT
        coalesce(m.subject, o.subject) AS subject, coalesce(m.month, o.month) AS month, coalesce(m.mrr_start, 0) AS mrr_start,
        coalesce(m.mrr_end, 0) AS mrr_end, coalesce(m.new, 0) AS new, coalesce(m.expansion, 0) AS expansion,
        coalesce(m.contraction, 0) AS contraction, coalesce(m.churn, 0) AS churn, coalesce(m.reactivation, 0) AS reactivation,
        coalesce(o.one_time, 0) AS one_time, coalesce(o.active_days, 0) AS active_days, coalesce(o.active_users, 0) AS active_users,
        coalesce(o.events, 0) AS events, coalesce(o.tickets, 0) AS tickets, coalesce(o.touches, 0) AS touches,
        coalesce(o.responses, 0) AS responses
    FROM money_months AS m
    FULL OUTER JOIN other_months AS o ON o.subject = m.subject AND o.month = m.month
) AS p
JOIN subjects_base AS b ON b.subject = p.subject
WHERE p.month >= $since
ORDER BY month, subject
