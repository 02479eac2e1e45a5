-- The table of subjects: who they are, their attributes as they are now, and where they stand.
SELECT
    b.subject AS subject, b.customer_id AS customer_id, b.account_id AS account_id, b.accounts AS accounts, b.name AS name,
    b.linked_by AS linked_by, m.started_at AS started_at, m.trial_started_at AS trial_started_at, m.trial_ended_at AS trial_ended_at,
    m.paid_at AS paid_at, CASE WHEN coalesce(v.mrr, 0) > 0 OR m.won_back_at >= m.churned_at THEN NULL ELSE m.churned_at END AS churned_at,
    CASE WHEN b.first_seen_at < $until THEN b.first_seen_at END AS first_seen_at,
    CASE
        WHEN b.last_seen_at < $until THEN b.last_seen_at
        WHEN b.first_seen_at < $until THEN coalesce(CAST(a.last_day AS {{moment}}), b.first_seen_at)
    END AS last_seen_at,
    i.value AS industry, g.value AS region, o.value AS source, t.product AS product, p.value AS plan, t.contract_type AS contract_type,
    e.value AS seats, CAST(coalesce(v.mrr, 0) AS {{number}}) AS mrr, CAST(coalesce(k.n, 0) AS {{whole}}) AS tickets,
    CAST(coalesce(h.n, 0) AS {{whole}}) AS campaigns, n.nps AS nps, n.csat AS csat, n.ces AS ces, b.owner_id AS owner_id,
    CAST(coalesce(q.n, 0) AS {{whole}}) AS open_opportunities, coalesce(m.derived, '') AS derived
FROM subjects_base AS b
LEFT JOIN marks AS m ON m.subject = b.subject
LEFT JOIN values_now AS v ON v.subject = b.subject
LEFT JOIN terms_now AS t ON t.subject = b.subject
LEFT JOIN (SELECT customer_id, max(last_day) AS last_day FROM activity GROUP BY customer_id) AS a ON a.customer_id = b.customer_id
LEFT JOIN at_industry AS i ON i.subject = b.subject
LEFT JOIN at_region AS g ON g.subject = b.subject
LEFT JOIN at_source AS o ON o.subject = b.subject
LEFT JOIN at_plan AS p ON p.subject = b.subject
LEFT JOIN at_seats AS e ON e.subject = b.subject
LEFT JOIN (SELECT subject, count(*) AS n FROM tickets GROUP BY subject) AS k ON k.subject = b.subject
LEFT JOIN (SELECT subject, count(*) AS n FROM touches GROUP BY subject) AS h ON h.subject = b.subject
LEFT JOIN scores_now AS n ON n.subject = b.subject
LEFT JOIN open_deals AS q ON q.subject = b.subject
