-- An attribute of each member's customer as it was at the member's moment. Where its history is kept, the newest value not after
-- the moment counts, and nothing is known before the first one; where none is kept, today's value stands in.
SELECT member, <<shown>> AS value
FROM (
    SELECT m.<<key>> AS member, NULLIF(CASE WHEN k.subject IS NULL THEN <<now>> ELSE t.value_then END, '') AS value_then
    FROM <<members>> AS m
    LEFT JOIN subjects AS s ON s.subject = m.subject
    LEFT JOIN (
        SELECT DISTINCT subject FROM attribute_history WHERE attribute = $attribute
    ) AS k ON k.subject = m.subject
    LEFT JOIN (
        SELECT m.<<key>> AS member, {{newest(coalesce(h.value, ''), coalesce(h.since, CAST('1900-01-01 00:00:00' AS {{moment}})))}} AS value_then
        FROM <<members>> AS m
        INNER JOIN attribute_history AS h ON h.subject = m.subject
        WHERE h.attribute = $attribute AND (h.since IS NULL OR h.since <= m.<<moment>>)
        GROUP BY m.<<key>>
    ) AS t ON t.member = m.<<key>>
) AS known
