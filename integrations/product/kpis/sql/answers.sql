-- NPS answers of each customer by window: all, promoters, detractors. Of one person and survey the latest in the window counts;
-- an answer without a person stands for itself.
SELECT customer_id, <<counts>>
FROM (
    SELECT
        customer_id, in_window, score,
        row_number() OVER (
            PARTITION BY customer_id, end_user_id, nameless, survey, in_window ORDER BY happened DESC, received_at DESC, event_id DESC
        ) AS place
    FROM (
        SELECT
            coalesce(m.survivor_id, a.customer_id, l.customer_id) AS customer_id, a.end_user_id AS end_user_id,
            CASE WHEN a.end_user_id IS NULL THEN a.event_id END AS nameless, coalesce(a.survey, '') AS survey, a.score AS score,
            a."at" AS happened, a.received_at AS received_at, a.event_id AS event_id, w.number AS in_window
        FROM (
            SELECT customer_id, end_user_id, event_id, survey, score, "at", received_at
            FROM answers
            WHERE "at" >= $first AND "at" < $last AND score BETWEEN 0 AND 10
        ) AS a
        CROSS JOIN spans AS w
        LEFT JOIN merged AS m ON m.merged_id = a.customer_id
        LEFT JOIN late AS l ON a.customer_id IS NULL AND l.user_id = a.end_user_id
        WHERE a."at" >= w.begins AND a."at" < w.ends
    ) AS in_windows
    WHERE customer_id IS NOT NULL
) AS ranked
WHERE place = 1
GROUP BY customer_id
