-- The first month in which anything is another than at the last computation.
SELECT min(month) AS month
FROM (
    SELECT {{month_of(day)}} AS month
    FROM (
        SELECT subject, day, delta, kind FROM movements<<of_moved>>
        EXCEPT
        SELECT subject, day, delta, kind FROM old_movements<<of_moved>>
    ) AS came
    UNION ALL
    SELECT {{month_of(day)}} AS month
    FROM (
        SELECT subject, day, delta, kind FROM old_movements<<of_moved>>
        EXCEPT
        SELECT subject, day, delta, kind FROM movements<<of_moved>>
    ) AS went
    UNION ALL
    SELECT {{month_of(starts_on)}} AS month
    FROM (
        SELECT span, subject, starts_on, amount FROM spans WHERE kind = 'one_time'
        EXCEPT
        SELECT span, subject, starts_on, amount FROM old_spans WHERE kind = 'one_time'
    ) AS sold
    UNION ALL
    SELECT {{month_of(starts_on)}} AS month
    FROM (
        SELECT span, subject, starts_on, amount FROM old_spans WHERE kind = 'one_time'
        EXCEPT
        SELECT span, subject, starts_on, amount FROM spans WHERE kind = 'one_time'
    ) AS unsold
    UNION ALL
    SELECT {{month_of({{day_of("at")}})}} AS month
    FROM (SELECT ticket, subject, "at" FROM tickets EXCEPT SELECT ticket, subject, "at" FROM old_tickets) AS opened
    UNION ALL
    SELECT {{month_of({{day_of("at")}})}} AS month
    FROM (SELECT ticket, subject, "at" FROM old_tickets EXCEPT SELECT ticket, subject, "at" FROM tickets) AS gone
    UNION ALL
    SELECT {{month_of({{day_of("at")}})}} AS month
    FROM (SELECT member, subject, state, "at" FROM touches EXCEPT SELECT member, subject, state, "at" FROM old_touches) AS touched
    UNION ALL
    SELECT {{month_of({{day_of("at")}})}} AS month
    FROM (SELECT member, subject, state, "at" FROM old_touches EXCEPT SELECT member, subject, state, "at" FROM touches) AS untouched
    UNION ALL
    SELECT a.month AS month
    FROM activity AS a
    JOIN subjects_base AS b ON b.customer_id = a.customer_id
    WHERE b.subject NOT IN (SELECT subject FROM old_subjects)
) AS changed
