-- In which periods each member paid: one bit a period, set when some moment of it was paid for.
SELECT member, {{bit_or(CAST(power(2, w.period) AS {{whole}}))}} AS mask, 0 AS at_start
FROM (
    SELECT member, <<first>> AS first_reached, <<last>> AS last_reached
    FROM (
        SELECT
            s.member AS member, s.began AS began, CASE WHEN p.since < s.began THEN s.began ELSE p.since END AS paid_from,
            p.until AS paid_until
        FROM paid AS p
        INNER JOIN members AS s ON s.subject = p.subject
        WHERE p.until > s.began
    ) AS clipped
) AS placed
CROSS JOIN windows AS w
WHERE placed.first_reached < w.after AND placed.last_reached >= w.begins
GROUP BY member
