SELECT
    t.record AS ticket, r.subject AS subject, t.type AS type, t."at" AS "at",
    CASE WHEN t.closed_at < $until AND t.closed_at >= t."at" THEN t.closed_at END AS closed_at
FROM raw_tickets AS t
JOIN roads AS r ON r.account_id = t.account
WHERE t."at" < $until
