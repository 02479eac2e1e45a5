-- Movements by month; those before the first month that is computed are one sum, in the month before it.
SELECT
    subject, kind, CAST(delta AS DECIMAL(18, 2)) AS delta,
    CASE WHEN {{month_of(day)}} < $prior THEN CAST($prior AS {{day}}) ELSE {{month_of(day)}} END AS month
FROM movements
