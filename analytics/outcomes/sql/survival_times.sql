-- Each customer from its start to its first churn, or to the midnight that ends observation; in whole days.
SELECT
    subject, began, {{add_seconds(began, <<landmark>> * 86400)}} AS judged_at,
    CAST(CASE WHEN churned_at IS NULL THEN 0 ELSE 1 END AS {{whole}}) AS churned,
    {{days_between({{day_of(began)}}, {{day_of(ended)}})}} AS lasted,
    CASE WHEN came IS NULL THEN NULL WHEN came > began THEN {{days_between({{day_of(began)}}, {{day_of(came)}})}} ELSE 0 END AS came
FROM (
    SELECT
        s.subject AS subject, s.<<origin>> AS began, c.churned_at AS churned_at, coalesce(c.churned_at, CAST($as_of AS {{moment}})) AS ended,
        <<came>> AS came
    FROM subjects AS s
    LEFT JOIN (
        SELECT t.subject AS subject, min(t.churned_at) AS churned_at
        FROM (
            SELECT subject, "at" AS churned_at FROM milestones WHERE kind = 'churn'
            UNION ALL
            SELECT subject, churned_at FROM subjects
        ) AS t
        INNER JOIN subjects AS b ON b.subject = t.subject
        WHERE t.churned_at >= b.<<origin>> AND t.churned_at < $as_of
        GROUP BY t.subject
    ) AS c ON c.subject = s.subject
    WHERE s.<<origin>> IS NOT NULL AND s.<<origin>> < $as_of
) AS lives
