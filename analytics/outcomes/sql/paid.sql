-- Stretches of time in which somebody paid, from the movements of recurring revenue: [since, until).
SELECT
    subject, CAST(day AS {{moment}}) AS since,
    CASE WHEN next_day IS NULL OR CAST(next_day AS {{moment}}) > $as_of THEN $as_of ELSE CAST(next_day AS {{moment}}) END AS until
FROM (
    SELECT
        subject, day, "after",
        lead(day) OVER (PARTITION BY subject ORDER BY day) AS next_day
    FROM movements
) AS steps
WHERE "after" > 0 AND CAST(day AS {{moment}}) < $as_of
