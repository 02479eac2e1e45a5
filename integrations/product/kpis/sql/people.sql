-- How many end users of each customer have which bit. Bits that are some places apart are added up in one number, and taken apart
-- again: less than half of the work of a count for each bit.
SELECT customer_id, <<decoded>>
FROM (
    SELECT customer_id, <<lanes>>
    FROM (<<persons>>) AS persons
    WHERE customer_id IS NOT NULL
    GROUP BY customer_id
) AS sums
