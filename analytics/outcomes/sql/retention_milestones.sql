-- Customers by the day on which they reached a milestone. Merged ones begin when the first of them did.
SELECT subject, max(customer_id) AS customer_id, CAST(NULL AS {{whole}}) AS end_user_id, min(began) AS began
FROM (
    SELECT
        CASE WHEN m.survivor_id IS NULL THEN s.subject ELSE 'c' || CAST(m.survivor_id AS {{text}}) END AS subject,
        coalesce(m.survivor_id, s.customer_id) AS customer_id, s.<<milestone>> AS began
    FROM subjects AS s
    LEFT JOIN merged AS m ON m.merged_id = s.customer_id
    WHERE s.<<milestone>> IS NOT NULL AND s.<<milestone>> < $as_of
) AS reached
GROUP BY subject
