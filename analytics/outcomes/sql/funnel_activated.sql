SELECT t.subject AS subject, min(e.moment) AS activated_at
FROM (<<acts>>) AS e
INNER JOIN subjects AS t ON t.customer_id = e.customer_id
WHERE e.did0 AND e.moment >= t.trial_started_at
GROUP BY t.subject
