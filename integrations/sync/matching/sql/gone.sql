-- Links to records that the mirror knows as deleted.
SELECT links.id AS id, links.salesforce_id AS salesforce_id
FROM links
JOIN records ON records."Id" = links.salesforce_id
WHERE coalesce(records."IsDeleted", false)
