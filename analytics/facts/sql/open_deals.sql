SELECT r.subject AS subject, count(*) AS n
FROM o_Opportunity AS o
JOIN roads AS r ON r.account_id = o."AccountId"
WHERE NOT coalesce(o."IsClosed", false)
GROUP BY r.subject
