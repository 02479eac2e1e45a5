-- Milestones that no field holds, out of the terms of service (FZ-D4). `steps` bridges gaps up to the grace time.
SELECT subject, kind, CAST(day AS {{moment}}) AS "at", source_object, source_id
FROM (
    SELECT subject, 'paid_start' AS kind, min(day) AS day, CAST(NULL AS {{text}}) AS source_object, CAST(NULL AS {{text}}) AS source_id
    FROM movements
    WHERE kind = 'new'
    GROUP BY subject
    UNION ALL
    SELECT
        subject,
        CASE kind
            WHEN 'expansion' THEN 'upsell' WHEN 'more' THEN 'upsell' WHEN 'contraction' THEN 'downgrade'
            WHEN 'fewer' THEN 'downgrade' WHEN 'churn' THEN 'churn' ELSE 'winback'
        END AS kind,
        day, CAST(NULL AS {{text}}) AS source_object, CAST(NULL AS {{text}}) AS source_id
    FROM steps
    WHERE kind <> 'new'
    UNION ALL
    SELECT subject, 'trial_start' AS kind, starts_on AS day, source_object, source_id FROM spans WHERE kind = 'trial'
    UNION ALL
    SELECT subject, 'trial_end' AS kind, ends_on AS day, source_object, source_id FROM spans WHERE kind = 'trial' AND ends_on IS NOT NULL
    UNION ALL
    SELECT subject, 'renewal' AS kind, starts_on AS day, source_object, source_id
    FROM (
        SELECT
            subject, starts_on, ends_on, source_object, source_id,
            max(coalesce(ends_on, CAST($never AS {{day}}))) OVER (
                PARTITION BY subject, coalesce(product, '') ORDER BY starts_on, span
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS ended_before
        FROM spans
        WHERE kind = 'recurring'
    ) AS follow
    WHERE ended_before IS NOT NULL
      AND {{days_between(ended_before, starts_on)}} BETWEEN -$grace AND $grace
      AND (ends_on IS NULL OR ends_on > ended_before)
) AS derived
WHERE day < $until
UNION ALL
SELECT subject, 'account_start' AS kind, "at", source_object, source_id
FROM (
    SELECT
        subject, account_id AS source_id, CASE WHEN account_id IS NOT NULL THEN 'Account' END AS source_object,
        coalesce(account_created, first_seen_at, customer_created) AS "at"
    FROM subjects_base
) AS started
WHERE "at" < $until_moment
