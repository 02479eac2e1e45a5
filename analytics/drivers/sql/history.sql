-- Each attribute of each account as it was at its landmark; null where it is known of later times only.
SELECT
    i, attribute,
    {{newest(CASE WHEN is_then THEN value END, CASE WHEN is_then THEN since END)}} AS value
FROM (
    SELECT
        p.i AS i, h.attribute AS attribute, coalesce(h.value, '') AS value, coalesce(h.since, $dawn) AS since,
        h.since IS NULL OR h.since <= p.landmark_at AS is_then
    FROM attribute_history AS h
    JOIN population AS p ON p.subject = h.subject
) AS known
GROUP BY i, attribute
