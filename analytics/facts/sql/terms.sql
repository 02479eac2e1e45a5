-- Terms of service of those subjects whose movements are computed.
SELECT subject, product, starts_on, ends_on, mrr, quantity
FROM spans
WHERE kind = 'recurring' AND subject IN (SELECT subject FROM moved_subjects)
