-- Each customer with its recurring revenue at two midnights: what the last movement before each left.
SELECT
    s.subject AS subject, s.trial_started_at AS trial_started_at, s.trial_ended_at AS trial_ended_at, s.paid_at AS paid_at,
    coalesce(m.now_mrr, 0) AS now_mrr, coalesce(m.then_mrr, 0) AS then_mrr, CAST($now AS {{moment}}) AS now_at, CAST($before AS {{moment}}) AS then_at
FROM subjects AS s
LEFT JOIN (
    SELECT
        subject, {{newest("after", day)}} AS now_mrr,
        {{newest(CASE WHEN CAST(day AS {{moment}}) < $before THEN "after" END, CASE WHEN CAST(day AS {{moment}}) < $before THEN day END)}} AS then_mrr
    FROM movements
    WHERE CAST(day AS {{moment}}) < $now
    GROUP BY subject
) AS m ON m.subject = s.subject
ORDER BY s.subject
