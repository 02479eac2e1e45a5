-- How many of those users share a domain; the domain that enough of them share, of which there can be only one (PX-D7).
SELECT shared.of_customer AS id, shared.k AS k
FROM (SELECT customer_id AS of_customer, k, sum(n) AS n FROM domains WHERE k IS NOT NULL GROUP BY customer_id, k) AS shared
JOIN sizes ON sizes.of_customer = shared.of_customer
WHERE shared.n >= $at_least AND (NOT $majority OR 2 * shared.n > CASE WHEN sizes.n > $most THEN $most ELSE sizes.n END)
