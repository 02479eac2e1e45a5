-- Each customer's first trial, its payment, and the first activating event at or after the start of the trial.
SELECT
    s.subject AS subject, s.customer_id AS customer_id, s.trial_started_at AS began, s.trial_ended_at AS ended, s.paid_at AS paid_at,
    a.activated_at AS activated_at
FROM subjects AS s
LEFT JOIN (<<activated>>) AS a ON a.subject = s.subject
WHERE s.trial_started_at IS NOT NULL AND s.trial_started_at >= $since AND s.trial_started_at < $as_of
ORDER BY s.subject
