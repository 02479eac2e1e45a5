-- What a push wrote, beside what is there now: which fields go back (mask_), why others do not (whys_), what becomes of the row.
SELECT
    *,
    CASE
        WHEN gone_ THEN 'conflict'
        WHEN removed_ THEN 'conflict'
        WHEN created_ AND NOT <<delete>> THEN 'created'
        WHEN created_ AND touched_ THEN 'conflict'
        WHEN created_ THEN 'remove'
        WHEN {{position(mask_, '1')}} > 0 THEN 'restore'
        WHEN whys_ = '' THEN 'same'
        ELSE 'conflict'
    END AS fate_
FROM (
    SELECT *, <<mask>> AS mask_, <<whys>> AS whys_, (<<touched>>) AS touched_
    FROM (
        SELECT
            w.key_ AS key_, coalesce(t.id_, w.id_) AS id_, w.parent_ AS parent_, w.label_ AS label_, t.created_ AS created_,
            w.remove_ AS removed_, v.key_ IS NULL AS gone_<<cells>>
        FROM was AS w
        INNER JOIN told AS t ON t.key_ = w.key_
        LEFT JOIN live AS v ON v.key_ = w.key_
        WHERE t.outcome_ = 'written'
    ) AS beside
) AS compared
