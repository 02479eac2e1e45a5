SELECT h."AccountId" AS account, h."Field" AS field, h."OldValue" AS old, h."NewValue" AS new, h."CreatedDate" AS changed_at
FROM <<history>> AS h
WHERE {{has($fields, h."Field")}} AND h."CreatedDate" < $until
ORDER BY 1, 5, 2
