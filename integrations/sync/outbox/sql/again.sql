-- Refused rows that are tried again in the same run, at places behind all others, by parent.
SELECT <<names>>, row_number() OVER (ORDER BY s.parent_, s.key_) + CAST($after AS {{whole}}) AS place_
FROM sent AS s
INNER JOIN again AS g ON g.key_ = s.key_
