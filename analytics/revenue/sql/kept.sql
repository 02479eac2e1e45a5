-- Subjects with MRR at the end of a base month, and what the same pay $distance months later, by month and value.
SELECT
    c.later AS month, <<value>> AS value, count(*) AS base_subjects,
    {{count_if(coalesce(t.mrr_end, 0) > 0)}} AS kept_subjects, sum(m.mrr_end) AS base, sum(coalesce(t.mrr_end, 0)) AS kept,
    sum(CASE WHEN coalesce(t.mrr_end, 0) < m.mrr_end THEN coalesce(t.mrr_end, 0) ELSE m.mrr_end END) AS capped
FROM months AS m
JOIN pairs AS c ON c.earlier = m.month
LEFT JOIN months AS t ON t.subject = m.subject AND t.month = c.later
<<join>>
WHERE m.mrr_end > 0
GROUP BY 1, 2
ORDER BY 1, 2
