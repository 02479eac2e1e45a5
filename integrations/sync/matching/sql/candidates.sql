-- All records that share a crowded key: oldest CreatedDate first, then the lowest id (PX-D3); at most $most a key.
SELECT k, record
FROM (
    SELECT
        hit.k AS k, hit.record AS record,
        row_number() OVER (PARTITION BY hit.k ORDER BY hit.created ASC NULLS LAST, hit.record) AS turn
    FROM (SELECT <key> AS k, "Id" AS record, created FROM theirs WHERE <key> IS NOT NULL) AS hit
    SEMI JOIN crowded ON crowded.k = hit.k
) AS ranked
WHERE turn <= $most
ORDER BY k, turn
