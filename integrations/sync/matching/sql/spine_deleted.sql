-- Marks for rows that the lake has and the database has no more.
SELECT old.id AS id, CASE WHEN $now > old.version THEN $now ELSE old.version + 1 END AS version, true AS removed, true AS deleted
FROM old
WHERE NOT coalesce(old.deleted, false) AND old.id NOT IN (SELECT id FROM there)
