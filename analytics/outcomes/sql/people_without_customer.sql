-- People who did something and whose customer nobody knows.
SELECT count(DISTINCT e.end_user_id) AS n
FROM events AS e
LEFT JOIN late AS l ON l.user_id = e.end_user_id
WHERE e.customer_id IS NULL AND l.customer_id IS NULL AND NOT coalesce(e.automatic, false) AND e."at" < $as_of
