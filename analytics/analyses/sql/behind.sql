-- The subjects behind a number with what a person wants to know of them. `chosen` names them; `usage` is the roll-up of the
-- seven days before the facts' midnight.
SELECT
    c.subject AS subject,
    s.customer_id AS customer_id,
    s.account_id AS account_id,
    s.accounts AS accounts,
    s.name AS name,
    s.owner_id AS owner_id,
    s.mrr AS mrr,
    s.seats AS seats,
    s.open_opportunities AS open_opportunities,
    s.tickets AS tickets,
    s.last_seen_at AS last_seen_at,
    CASE WHEN s.customer_id IS NULL THEN NULL ELSE coalesce(u.days, 0) END AS active_days
FROM (SELECT DISTINCT subject FROM chosen WHERE subject IS NOT NULL) AS c
LEFT JOIN subjects AS s ON s.subject = c.subject
LEFT JOIN (
    SELECT customer_id, {{count_distinct(day)}} AS days
    FROM usage
    WHERE active_events > 0 AND customer_id IS NOT NULL
    GROUP BY customer_id
) AS u ON u.customer_id = s.customer_id
