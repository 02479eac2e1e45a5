SELECT
    'salesforce/<<kind>>/' || v.record AS score_id, r.subject AS subject, '<<kind>>' AS kind, v.score AS score,
    coalesce(v."at", v.created) AS "at", 'salesforce' AS source, coalesce(v.respondent, v.account) AS respondent
FROM raw_<<kind>> AS v
JOIN roads AS r ON r.account_id = v.account
WHERE v.score IS NOT NULL AND <<fits>> AND coalesce(v."at", v.created) < $until
