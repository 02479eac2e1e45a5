-- The most frequent names among the events that fit.
SELECT name, count(*) AS events FROM events WHERE <<fits>> GROUP BY name ORDER BY 2 DESC, 1 LIMIT 10
