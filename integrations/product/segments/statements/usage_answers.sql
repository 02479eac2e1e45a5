-- NPS answers of one customer, the newest first.
SELECT "at", score, coalesce(comment, '') AS comment, coalesce(survey, '') AS survey
FROM answers
WHERE <<mine>>
ORDER BY "at" DESC, event_id
