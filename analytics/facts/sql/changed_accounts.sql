-- Accounts that speak for their subject and have a field history, with the fields as they are now.
SELECT a."Id" AS account, b.subject AS subject<<fields>>
FROM o_Account AS a
JOIN subjects_base AS b ON b.account_id = a."Id"
WHERE a."Id" IN (SELECT "AccountId" FROM <<history>>)
ORDER BY a."Id"
