-- Tickets with their type, how long they were open in seconds, and whether they are closed.
SELECT
    ticket, subject, coalesce(type, '') AS type, {{month_of("at")}} AS month,
    {{seconds_between("at", CASE WHEN closed_at IS NULL OR closed_at > $as_of THEN $as_of ELSE closed_at END)}} AS seconds,
    CASE WHEN closed_at IS NULL OR closed_at > $as_of THEN 0 ELSE 1 END AS closed
FROM tickets
WHERE "at" >= $since AND "at" < $until
ORDER BY ticket
