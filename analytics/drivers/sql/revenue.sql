-- Recurring revenue at the landmark and at the end of the outcome window: what the last movement before left.
SELECT
    p.i AS i,
    {{newest(CASE WHEN m.day < p.landmark THEN m.after END, CASE WHEN m.day < p.landmark THEN m.day END)}} AS at_landmark,
    {{newest(m.after, m.day)}} AS at_end
FROM movements AS m
JOIN population AS p ON p.subject = m.subject
WHERE m.day < p.ends
GROUP BY p.i
