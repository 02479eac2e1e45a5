-- Rows of the database that the lake does not have in this version yet.
SELECT fresh.*
FROM fresh
LEFT JOIN (SELECT id AS known_id, version AS known_version FROM old) AS known ON known.known_id = fresh.id
WHERE known.known_id IS NULL OR known.known_version <> fresh.version
