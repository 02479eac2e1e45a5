-- Customers of a month: those that had begun before its end and had not churned before its beginning.
SELECT w.month AS month, count(*) AS customers
FROM windows AS w
CROSS JOIN subjects AS s
WHERE coalesce(s.started_at, s.paid_at, s.trial_started_at, s.first_seen_at) < w.ends
    AND (s.churned_at IS NULL OR s.churned_at >= w.begins)
GROUP BY w.month
ORDER BY w.month
