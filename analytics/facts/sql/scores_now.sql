-- The latest score of each survey.
SELECT
    subject, max(CASE WHEN kind = 'nps' THEN score END) AS nps, max(CASE WHEN kind = 'csat' THEN score END) AS csat,
    max(CASE WHEN kind = 'ces' THEN score END) AS ces
FROM (
    SELECT subject, kind, score, row_number() OVER (PARTITION BY subject, kind ORDER BY "at" DESC, score_id DESC) AS place
    FROM scores
) AS ranked
WHERE place = 1
GROUP BY subject
