-- How many events fit, and of how many people and customers they are.
SELECT count(*) AS events, count(DISTINCT end_user_id) AS users, count(DISTINCT customer_id) AS customers FROM events WHERE <<fits>>
