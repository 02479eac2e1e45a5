-- Campaigns that reached each account before its landmark, by type.
SELECT
    p.i AS i, coalesce(t.type, '') AS type, count(*) AS events, {{count_if(t.state IN ('clicked', 'responded'))}} AS answers,
    min({{days_between(p.begins, {{day_of(t."at")}})}}) AS first_use,
    min(CASE WHEN t.state IN ('clicked', 'responded') THEN {{days_between(p.begins, {{day_of(t."at")}})}} END) AS first_answer
FROM touches AS t
JOIN population AS p ON p.subject = t.subject
WHERE {{day_of(t."at")}} >= p.begins AND {{day_of(t."at")}} < p.landmark
GROUP BY p.i, coalesce(t.type, '')
