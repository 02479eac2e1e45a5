-- Answers that came to the product, of the customers that stand for them by now.
SELECT
    'product/' || a.event_id AS score_id, 'c' || CAST(coalesce(m.survivor_id, a.customer_id, l.customer_id) AS {{text}}) AS subject,
    'nps' AS kind, CAST(a.score AS {{number}}) AS score, a."at" AS "at", 'product' AS source,
    'u' || CAST(a.end_user_id AS {{text}}) AS respondent
FROM answers AS a
LEFT JOIN merged AS m ON m.merged_id = a.customer_id
LEFT JOIN late AS l ON a.customer_id IS NULL AND l.user_id = a.end_user_id
JOIN customers AS c ON c.id = coalesce(m.survivor_id, a.customer_id, l.customer_id)
WHERE a.score BETWEEN 0 AND 10 AND a."at" < $until
