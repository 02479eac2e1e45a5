-- Computed fields (KPIs) of a piece of linked customers, in the order of the piece.
SELECT <<wanted>>
FROM piece AS p
LEFT JOIN <<name>> AS c ON c.id = p.id
ORDER BY p.place_
