SELECT m.subject AS subject, '<<kind>>' AS kind, m.value AS "at", <<object>> AS source_object, m.record AS source_id
FROM <<rows>> AS m
WHERE m.value < $until
