-- What is known of the past: field history, terms of service, and snapshots of earlier nights under the subjects of now.
SELECT subject, attribute, since, value, turn
FROM (
    SELECT subject, attribute, since, value, 1 AS turn FROM pasts
    UNION ALL
    SELECT
        coalesce(r.subject, m.new, s.subject) AS subject, s.attribute AS attribute, s.since AS since, s.value AS value, 3 AS turn
    FROM stored_history AS s
    LEFT JOIN roads AS r ON r.account_id = s.subject
    LEFT JOIN merged_subjects AS m ON m.old = s.subject
    WHERE s.attribute NOT IN ('product', 'contract_type') AND (s.since IS NULL OR s.since < $as_of)
) AS known
WHERE subject IN (SELECT subject FROM subjects_base)
