-- How far each campaign came: people by the furthest state, and the customers that they belong to.
SELECT
    campaign_id, max(campaign) AS campaign, max(coalesce(type, '')) AS type, min("at") AS begins, count(*) AS people,
    {{count_distinct(subject)}} AS customers, <<states>>
FROM touches
WHERE "at" < $as_of AND "at" >= $since AND campaign_id IS NOT NULL
GROUP BY campaign_id
ORDER BY begins DESC, campaign_id
