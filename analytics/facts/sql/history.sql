-- The past and, where a value is another than the last known one, the present.
SELECT subject, attribute, since, value
FROM (
    SELECT
        subject, attribute, since, value,
        row_number() OVER (PARTITION BY subject, attribute, since ORDER BY turn, value) AS place
    FROM (
        SELECT subject, attribute, since, value, turn FROM known_history
        UNION ALL
        SELECT subject, 'product' AS attribute, CAST(starts_on AS {{moment}}) AS since, product AS value, 1 AS turn
        FROM spans
        WHERE product IS NOT NULL AND starts_on < $today
        UNION ALL
        SELECT subject, 'contract_type' AS attribute, CAST(starts_on AS {{moment}}) AS since, contract_type AS value, 1 AS turn
        FROM spans
        WHERE contract_type IS NOT NULL AND starts_on < $today
        UNION ALL
        SELECT
            coalesce(a.subject, k.subject) AS subject, coalesce(a.attribute, k.attribute) AS attribute,
            CASE WHEN k.subject IS NOT NULL THEN CAST($as_of AS {{moment}}) END AS since, a.value AS value, 2 AS turn
        FROM attributes_now AS a
        FULL OUTER JOIN (
            SELECT subject, attribute, value
            FROM (
                SELECT
                    subject, attribute, value,
                    row_number() OVER (PARTITION BY subject, attribute ORDER BY since DESC NULLS LAST, turn) AS place
                FROM known_history
            ) AS ranked
            WHERE place = 1
        ) AS k ON k.subject = a.subject AND k.attribute = a.attribute
        WHERE coalesce(a.value <> k.value, (a.value IS NULL) <> (k.value IS NULL))
    ) AS every_row
) AS ranked
WHERE place = 1
