-- The accepted state after an answer, from the sent rows alone: they were staged with all that was accepted before.
SELECT
    s.key_ AS key_, coalesce(r.id_, s.id_) AS id_, CAST(NULL AS {{text}}) AS unsure_, s.remove_ AS gone_<<values>>
FROM sent AS s
INNER JOIN answers AS r ON r.key_ = s.key_
WHERE r.outcome_ = 'written'
