-- Linked rows beside their mirrored records; a row whose record is not mirrored stays, with nothing beside it.
SELECT l.*, r."Id" IS NOT NULL AS there<<fields>>
FROM linked AS l
LEFT JOIN records AS r ON r."Id" = l.salesforce_id
