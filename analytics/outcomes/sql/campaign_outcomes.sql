-- Of those at risk when a campaign's exposure ended: who was touched by then, and who had the outcome in the time after.
SELECT
    r.campaign_id AS campaign_id, r.subject AS subject, CASE WHEN t.subject IS NULL THEN 0 ELSE 1 END AS touched,
    CASE WHEN o.subject IS NULL THEN 0 ELSE 1 END AS happened
FROM (
    SELECT c.campaign_id AS campaign_id, p.subject AS subject, c.landmark AS landmark, c.until AS until
    FROM judged AS c
    CROSS JOIN (<<population>>) AS p
    WHERE p.since <= c.landmark AND (p.until IS NULL OR p.until > c.landmark)
) AS r
LEFT JOIN (
    SELECT DISTINCT c.campaign_id AS campaign_id, t.subject AS subject
    FROM touches AS t
    INNER JOIN judged AS c ON c.campaign_id = t.campaign_id
    WHERE t."at" < c.landmark
) AS t ON t.campaign_id = r.campaign_id AND t.subject = r.subject
LEFT JOIN (
    SELECT DISTINCT c.campaign_id AS campaign_id, m.subject AS subject
    FROM judged AS c
    CROSS JOIN (<<outcome>>) AS m
    WHERE m.happened_at >= c.landmark AND m.happened_at < c.until
) AS o ON o.campaign_id = r.campaign_id AND o.subject = r.subject
