-- What each cohort pays at the end of every month since it began, by value of an attribute.
SELECT b.begun AS begun, b.value AS value, m.month AS month, count(*) AS paying, sum(m.mrr_end) AS mrr
FROM began AS b
JOIN months AS m ON m.subject = b.subject
WHERE m.mrr_end > 0 AND m.month >= b.begun
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
