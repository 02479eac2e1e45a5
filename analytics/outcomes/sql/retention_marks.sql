-- In which periods each member did what counts as a return: one bit a period. An event that is start and return at once is no
-- return of itself; a second one at the same instant is.
SELECT
    member, {{bit_or(CASE WHEN moment > began OR NOT is_start THEN CAST(power(2, period) AS {{whole}}) ELSE 0 END)}} AS mask,
    sum(CASE WHEN moment = began AND is_start THEN 1 ELSE 0 END) AS at_start
FROM (
    SELECT member, moment, began, is_start, <<period>> AS period
    FROM (
        SELECT s.member AS member, a.moment AS moment, s.began AS began, <<is_start>> AS is_start, <<reached>> AS reached
        FROM (<<acts>>) AS a
        INNER JOIN members AS s ON s.customer_id = a.customer_id<<same_person>>
        WHERE a.<<did>> AND a.moment >= s.began
    ) AS timed
) AS placed
WHERE period IS NOT NULL
GROUP BY member
