-- What campaigns did with people of each subject: the furthest state, and when.
SELECT
    t.record AS member, r.subject AS subject, t.contact_id AS contact_id, t.campaign_id AS campaign_id, t.campaign AS campaign,
    t.type AS type,
    CASE
        WHEN coalesce(t.responded, false) THEN 'responded'
        WHEN {{lower(t.state)}} IN ('sent', 'delivered', 'opened', 'clicked', 'responded') THEN {{lower(t.state)}}
        ELSE 'sent'
    END AS state,
    coalesce(t.touched_at, t.campaign_at, t.created) AS "at"
FROM raw_touches AS t
JOIN roads AS r ON r.account_id = t.account
WHERE coalesce(t.touched_at, t.campaign_at, t.created) < $until
