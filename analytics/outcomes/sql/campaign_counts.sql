SELECT campaign_id, touched, count(*) AS n, sum(happened) AS k
FROM (<<outcomes>>) AS each_one
GROUP BY campaign_id, touched
ORDER BY campaign_id, touched
