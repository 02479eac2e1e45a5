-- Names of events with how many there were.
SELECT name, CAST(sum(events) AS {{whole}}) AS events FROM daily_events WHERE name IS NOT NULL GROUP BY name ORDER BY 2 DESC, 1 LIMIT $most
