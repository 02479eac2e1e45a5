-- Members of each cohort, and of each period: whose window counts, and who of them came back.
SELECT cohort, count(*) AS size, <<sums>>
FROM tallied
GROUP BY cohort
ORDER BY cohort
