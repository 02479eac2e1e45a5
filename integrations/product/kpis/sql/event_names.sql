-- Names of events with how many there were.
SELECT name, sum(events) AS events FROM daily_events GROUP BY name ORDER BY 2 DESC, 1 LIMIT $most
