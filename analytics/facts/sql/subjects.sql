-- Who is counted: customers of the spine with all their accounts, and accounts that lead to no customer.
SELECT
    coalesce(s.subject, 'c' || CAST(c.id AS {{text}})) AS subject, c.id AS customer_id, s.account_id AS account_id,
    CAST(coalesce(s.accounts, 0) AS {{whole}}) AS accounts, coalesce(c.name, s.name) AS name, coalesce(s.linked_by, 'none') AS linked_by,
    s.owner_id AS owner_id, s.created AS account_created, c.created_at AS customer_created, c.first_seen_at AS first_seen_at,
    c.last_seen_at AS last_seen_at
FROM customers AS c
FULL OUTER JOIN (
    SELECT subject, account_id, name, owner_id, created, customer_id, linked_by, accounts
    FROM (
        SELECT
            subject, account_id, name, owner_id, created, customer_id, linked_by,
            row_number() OVER (PARTITION BY subject ORDER BY created ASC NULLS LAST, account_id) AS place,
            count(*) OVER (PARTITION BY subject) AS accounts
        FROM accounts
    ) AS ranked
    WHERE place = 1
) AS s ON s.customer_id = c.id
