-- Active days of each account before its start and before its landmark, and its use of features.
SELECT
    p.i AS i,
    count(DISTINCT CASE WHEN e.active_events > 0 AND e.day >= p.begins THEN e.day END) AS active_days,
    count(DISTINCT CASE WHEN e.active_events > 0 AND e.day < p.begins THEN e.day END) AS active_before,
    min(CASE WHEN e.active_events > 0 AND e.day >= p.begins THEN {{days_between(p.begins, e.day)}} END) AS first_active<<features>>
FROM daily AS e
<<moved>>
JOIN population AS p ON p.customer_id = <<customer>>
WHERE e.day >= p.before AND e.day < p.landmark
GROUP BY p.i
