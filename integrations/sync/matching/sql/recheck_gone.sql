-- Links of rules for which no rule finds a record any more.
SELECT links.id AS id, links.salesforce_id AS old FROM links ANTI JOIN pairs ON pairs.id = links.id ORDER BY links.id
