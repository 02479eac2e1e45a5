-- Product and contract type of each subject: of what is in force, else of what came last, the largest first.
SELECT subject, product, contract_type
FROM (
    SELECT
        subject, product, contract_type,
        row_number() OVER (
            PARTITION BY subject
            ORDER BY CASE WHEN ends_on IS NULL OR ends_on > $today THEN 0 ELSE 1 END,
                CASE WHEN ends_on IS NULL OR ends_on > $today THEN -mrr ELSE 0 END, starts_on DESC, span
        ) AS place
    FROM spans
    WHERE starts_on < $today
) AS ranked
WHERE place = 1
