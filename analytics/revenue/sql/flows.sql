-- What moved MRR in each month, by value of an attribute.
SELECT
    m.month AS month, <<value>> AS value, sum(m.mrr_start) AS mrr_start, sum(m.new) AS new, sum(m.expansion) AS expansion,
    sum(m.reactivation) AS reactivation, sum(m.contraction) AS contraction, sum(m.churn) AS churn, sum(m.mrr_end) AS mrr_end,
    {{count_if(m.mrr_start > 0)}} AS paying_start, {{count_if(m.mrr_end > 0)}} AS paying_end, sum(m.one_time) AS one_time
FROM months AS m
<<join>>
WHERE m.month >= $first AND m.month <= $last
GROUP BY 1, 2
ORDER BY 1, 2
