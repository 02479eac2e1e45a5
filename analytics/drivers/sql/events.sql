-- What each account did before its landmark, by name of the event: how often, by how many people, first on which day.
SELECT
    p.i AS i, n.place AS place, CAST(sum(e.events) AS {{whole}}) AS events, <<users>> AS users,
    min({{days_between(p.begins, e.day)}}) AS first_use
FROM daily_events AS e
<<moved>>
JOIN names AS n ON n.name = e.name
JOIN population AS p ON p.customer_id = <<customer>>
WHERE e.day >= p.begins AND e.day < p.landmark
GROUP BY p.i, n.place
