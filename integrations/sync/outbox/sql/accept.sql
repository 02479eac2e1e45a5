-- The accepted state after an answer: what was sent where it was sent, what was there before otherwise.
SELECT
    s.key_ AS key_, coalesce(r.id_, s.id_, a.id_) AS id_, <<unsure>> AS unsure_, s.remove_ AS gone_<<values>>
FROM sent AS s
INNER JOIN answers AS r ON r.key_ = s.key_
LEFT JOIN accepted AS a ON a.key_ = s.key_
WHERE r.outcome_ = 'written'
