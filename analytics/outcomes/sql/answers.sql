-- Answers to surveys in a stretch of time.
SELECT score_id, subject, kind, score, "at", source, respondent
FROM scores
WHERE "at" >= $since AND "at" < $until AND score IS NOT NULL AND subject IS NOT NULL
ORDER BY "at", score_id
