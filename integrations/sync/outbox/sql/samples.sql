-- Some of the rows that were written, for the ledger.
SELECT s.*, r.id_ AS answer_id_
FROM sent AS s
INNER JOIN answers AS r ON r.key_ = s.key_
WHERE r.outcome_ = 'written'
ORDER BY s.place_
LIMIT <<room>>
