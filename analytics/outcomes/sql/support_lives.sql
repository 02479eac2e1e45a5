-- Customers from their first paid day: tickets before the landmark, and the first churn.
SELECT p.subject AS subject, p.paid_at AS paid_at, coalesce(t.n, 0) AS tickets, c.churned_at AS churned_at
FROM subjects AS p
LEFT JOIN (
    SELECT s.subject AS subject, count(*) AS n
    FROM tickets AS t
    INNER JOIN subjects AS s ON s.subject = t.subject
    WHERE t."at" >= s.paid_at AND t."at" < {{add_seconds(s.paid_at, <<landmark>>)}}
    GROUP BY s.subject
) AS t ON t.subject = p.subject
LEFT JOIN (
    SELECT s.subject AS subject, min(m.churned_at) AS churned_at
    FROM (
        SELECT subject, "at" AS churned_at FROM milestones WHERE kind = 'churn'
        UNION ALL
        SELECT subject, churned_at FROM subjects WHERE churned_at IS NOT NULL
    ) AS m
    INNER JOIN subjects AS s ON s.subject = m.subject
    WHERE m.churned_at >= s.paid_at AND m.churned_at < $as_of
    GROUP BY s.subject
) AS c ON c.subject = p.subject
WHERE p.paid_at IS NOT NULL AND p.paid_at < $as_of
ORDER BY p.subject
