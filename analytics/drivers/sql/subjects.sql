-- Everybody, with the milestones from which days are counted and what is known of them today.
SELECT subject, customer_id, trial_started_at, paid_at, industry, region, source, plan, product, contract_type, seats
FROM subjects
ORDER BY subject
