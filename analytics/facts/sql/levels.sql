-- Changes of each subject's MRR and quantity, netted by UTC day, short gaps bridged (first of each product, then of everything).
-- The same as facts/timeline.py. kind: new, expansion, contraction, churn, reactivation, more or fewer (quantity alone).
WITH
changes AS (
    SELECT subject, coalesce(product, '') AS product, starts_on AS day, mrr, coalesce(quantity, 0) AS quantity, 1 AS terms
    FROM terms
    UNION ALL
    SELECT subject, coalesce(product, '') AS product, ends_on AS day, -mrr AS mrr, -coalesce(quantity, 0) AS quantity, -1 AS terms
    FROM terms
    WHERE ends_on IS NOT NULL
),
netted AS (
    SELECT subject, product, day, sum(mrr) AS mrr, sum(quantity) AS quantity, sum(terms) AS terms
    FROM changes
    GROUP BY subject, product, day
),
running AS (
    SELECT
        subject, product, day,
        sum(mrr) OVER (PARTITION BY subject, product ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS mrr,
        sum(quantity) OVER (PARTITION BY subject, product ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS quantity,
        sum(terms) OVER (PARTITION BY subject, product ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS in_force,
        lead(day) OVER (PARTITION BY subject, product ORDER BY day) AS next_day
    FROM netted
),
held AS (
    SELECT subject, product, day, mrr, quantity
    FROM running
    WHERE in_force > 0 OR next_day IS NULL OR {{days_between(day, next_day)}} > $gap
),
stepped AS (
    SELECT
        subject, day,
        mrr - coalesce(lag(mrr) OVER (PARTITION BY subject, product ORDER BY day), 0) AS mrr,
        quantity - coalesce(lag(quantity) OVER (PARTITION BY subject, product ORDER BY day), 0) AS quantity
    FROM held
),
summed AS (
    SELECT subject, day, sum(mrr) AS mrr, sum(quantity) AS quantity
    FROM stepped
    GROUP BY subject, day
),
totals AS (
    SELECT
        subject, day,
        sum(mrr) OVER (PARTITION BY subject ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS mrr,
        sum(quantity) OVER (PARTITION BY subject ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS quantity
    FROM summed
),
leveled AS (
    SELECT
        subject, day, quantity,
        CAST(CASE WHEN mrr > 0 THEN {{round(mrr, 2)}} ELSE 0 END AS {{number}}) AS mrr
    FROM totals
),
beside AS (
    SELECT
        subject, day, mrr, quantity,
        lag(mrr) OVER (PARTITION BY subject ORDER BY day) AS mrr_before
    FROM leveled
),
numbered AS (
    SELECT
        subject, day, mrr, quantity,
        lead(day) OVER (PARTITION BY subject ORDER BY day) AS next_day
    FROM beside
    WHERE mrr > 0 OR coalesce(mrr_before, 0) > 0
),
bridged AS (
    SELECT
        subject, day, mrr, quantity,
        coalesce(lag(mrr) OVER (PARTITION BY subject ORDER BY day), 0) AS mrr_before,
        coalesce(lag(quantity) OVER (PARTITION BY subject ORDER BY day), 0) AS quantity_before,
        row_number() OVER (PARTITION BY subject ORDER BY day) AS place
    FROM numbered
    WHERE mrr > 0 OR next_day IS NULL OR {{days_between(day, next_day)}} > $gap
)
SELECT
    subject, day,
    CASE
        WHEN mrr_before = 0 AND place = 1 THEN 'new'
        WHEN mrr_before = 0 THEN 'reactivation'
        WHEN mrr = 0 THEN 'churn'
        WHEN mrr > mrr_before THEN 'expansion'
        WHEN mrr < mrr_before THEN 'contraction'
        WHEN quantity > quantity_before THEN 'more'
        ELSE 'fewer'
    END AS kind,
    CAST(mrr_before AS {{number}}) AS before, CAST(mrr AS {{number}}) AS after, CAST(mrr - mrr_before AS {{number}}) AS delta
FROM bridged
WHERE day < $until AND (mrr <> mrr_before OR quantity <> quantity_before)
