-- How many end users of each customer have which bit.
SELECT customer_id, <<counts>>
FROM (<<persons>>) AS persons
WHERE customer_id IS NOT NULL
GROUP BY customer_id
