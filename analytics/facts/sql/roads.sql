-- The subject of every account id that records may name, those of merged accounts among them.
SELECT account_id, account_id AS living_id, subject FROM accounts
UNION ALL
SELECT m.loser AS account_id, a.account_id AS living_id, a.subject AS subject
FROM merged_accounts AS m
JOIN accounts AS a ON a.account_id = m.winner
WHERE m.loser NOT IN (SELECT account_id FROM accounts)
