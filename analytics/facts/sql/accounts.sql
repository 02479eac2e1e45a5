-- Every living account with the subject that it belongs to. A key is compared as it is first, then without case.
SELECT
    linked.account_id AS account_id, linked.name AS name, linked.owner_id AS owner_id, linked.created AS created,
    linked.customer_id AS customer_id, linked.linked_by AS linked_by, linked.linking_value AS linking_value,
    CASE WHEN linked.customer_id IS NULL THEN linked.account_id ELSE 'c' || CAST(linked.customer_id AS {{text}}) END AS subject
FROM (
    SELECT
        a.account_id AS account_id, a.name AS name, a.owner_id AS owner_id, a.created AS created, v.value AS linking_value,
        CASE
            WHEN $by_field AND coalesce(k.customer_id, f.customer_id) IS NOT NULL THEN coalesce(k.customer_id, f.customer_id)
            WHEN $by_links THEN l.customer_id
        END AS customer_id,
        CASE
            WHEN $by_field AND coalesce(k.customer_id, f.customer_id) IS NOT NULL THEN 'linking_id'
            WHEN $by_links AND l.customer_id IS NOT NULL THEN 'link'
            ELSE 'none'
        END AS linked_by
    FROM raw_accounts AS a
    LEFT JOIN linking_values AS v ON v.account_id = a.account_id
    LEFT JOIN keys AS k ON k.key = v.value
    LEFT JOIN folded_keys AS f ON f.key = v.folded
    LEFT JOIN links AS l ON l.account_id = a.account_id
) AS linked
