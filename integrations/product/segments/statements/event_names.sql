-- Names of events, the most frequent first.
SELECT name, sum(events) AS n
FROM daily_events
WHERE name IS NOT NULL AND name <> ''
GROUP BY name
ORDER BY n DESC, name
LIMIT $most
