-- Links of rules that lead to another record than the one that the rules find now.
SELECT links.id AS id, links.salesforce_id AS old, pairs.best AS new
FROM links
JOIN pairs ON pairs.id = links.id
WHERE pairs.best <> links.salesforce_id
ORDER BY links.id
