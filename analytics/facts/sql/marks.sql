-- Milestones of each subject side by side; of those that come again the first or the last, as the name says.
SELECT
    subject, min(CASE WHEN kind = 'account_start' THEN "at" END) AS started_at,
    min(CASE WHEN kind = 'trial_start' THEN "at" END) AS trial_started_at, max(CASE WHEN kind = 'trial_end' THEN "at" END) AS trial_ended_at,
    min(CASE WHEN kind = 'paid_start' THEN "at" END) AS paid_at, max(CASE WHEN kind = 'churn' THEN "at" END) AS churned_at,
    max(CASE WHEN kind = 'winback' THEN "at" END) AS won_back_at,
    {{join({{collect(CASE WHEN derived THEN kind END)}}, ',')}} AS derived
FROM milestones
GROUP BY subject
