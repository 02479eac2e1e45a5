-- Answers to deletions, by the key of the row that asked for them.
SELECT
    s.key_ AS key_, s.id_ AS id_, t.created_ AS created_,
    CASE WHEN {{starts_with(coalesce(t.error_, ''), 'ENTITY_IS_DELETED')}} THEN 'written' ELSE t.outcome_ END AS outcome_,
    t.error_ AS error_
FROM told AS t
INNER JOIN sent AS s ON s.id_ = t.key_
