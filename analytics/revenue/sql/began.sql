-- Who began to pay in which month, ever for the first time.
SELECT f.subject AS subject, f.begun AS begun, <<value>> AS value
FROM (SELECT subject, {{month_of(min(day))}} AS begun FROM movements WHERE kind = 'new' GROUP BY subject) AS f
<<join>>
WHERE f.begun >= $first AND f.begun <= $last
