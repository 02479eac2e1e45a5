-- MRR of each subject at both ends of each month, and what moved it. Months without MRR and movement are left out.
SELECT subject, month, mrr_start, mrr_end, new, expansion, contraction, churn, reactivation
FROM (
    SELECT
        subject, month,
        coalesce(sum(delta) OVER (PARTITION BY subject ORDER BY month ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS mrr_start,
        sum(delta) OVER (PARTITION BY subject ORDER BY month ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS mrr_end,
        new, expansion, contraction, churn, reactivation, moved
    FROM (
        SELECT
            g.subject AS subject, g.month AS month, CAST(coalesce(s.delta, 0) AS DECIMAL(18, 2)) AS delta,
            CAST(coalesce(s.new, 0) AS DECIMAL(18, 2)) AS new, CAST(coalesce(s.expansion, 0) AS DECIMAL(18, 2)) AS expansion,
            CAST(coalesce(s.contraction, 0) AS DECIMAL(18, 2)) AS contraction,
            CAST(coalesce(s.churn, 0) AS DECIMAL(18, 2)) AS churn,
            CAST(coalesce(s.reactivation, 0) AS DECIMAL(18, 2)) AS reactivation, s.delta IS NOT NULL AS moved
        FROM (
            SELECT b.subject AS subject, c.month AS month
            FROM (SELECT subject, min(month) AS first_month FROM moves GROUP BY subject) AS b
            CROSS JOIN calendar AS c
            WHERE c.month >= b.first_month
        ) AS g
        LEFT JOIN (
            SELECT
                subject, month, sum(delta) AS delta,
                sum(CASE WHEN kind = 'new' THEN delta ELSE 0 END) AS new,
                sum(CASE WHEN kind = 'expansion' THEN delta ELSE 0 END) AS expansion,
                sum(CASE WHEN kind = 'contraction' THEN -delta ELSE 0 END) AS contraction,
                sum(CASE WHEN kind = 'churn' THEN -delta ELSE 0 END) AS churn,
                sum(CASE WHEN kind = 'reactivation' THEN delta ELSE 0 END) AS reactivation
            FROM moves
            GROUP BY 1, 2
        ) AS s ON s.subject = g.subject AND s.month = g.month
    ) AS dense
) AS running
WHERE mrr_start > 0 OR mrr_end > 0 OR moved
