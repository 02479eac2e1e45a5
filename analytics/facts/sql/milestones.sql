-- One account of every subject's milestones: those of the preferred way, the other way's where it has none of that kind. A day of
-- a kind counts once.
SELECT subject, kind, "at", derived, source_object, source_id
FROM (
    SELECT
        subject, kind, "at", derived, source_object, source_id, turn,
        first_value(turn) OVER (PARTITION BY subject, kind ORDER BY turn, "at", source_id) AS best,
        lag(turn) OVER (PARTITION BY subject, kind ORDER BY turn, "at", source_id) AS turn_before,
        lag({{day_of("at")}}) OVER (PARTITION BY subject, kind ORDER BY turn, "at", source_id) AS day_before
    FROM (
        SELECT
            subject, kind, "at", false AS derived, source_object, source_id,
            CASE WHEN $field_first OR kind = 'account_start' THEN 1 ELSE 3 END AS turn
        FROM field_milestones
        UNION ALL
        SELECT
            subject, kind, "at", true AS derived, source_object, source_id,
            CASE WHEN $field_first OR kind = 'account_start' THEN 2 ELSE 1 END AS turn
        FROM derived_milestones
    ) AS both_ways
) AS ranked
WHERE turn = best AND (day_before IS NULL OR turn_before <> turn OR day_before <> {{day_of("at")}})
