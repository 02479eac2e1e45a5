-- Some records without a match, and whether several records fitted a rule that then matches none.
SELECT rest.external_id AS external_id, held_back.id IS NOT NULL AS several
FROM <rest> AS rest
LEFT JOIN held_back ON held_back.id = rest.id
ORDER BY rest.id
LIMIT $most
