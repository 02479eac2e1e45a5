-- After a restore: what we hold, what is wanted and what stands in Salesforce, side by side, for every record that is there.
-- d0 is the wanted value of the first field, a0 ours, v0 theirs; n0: theirs is newer than the backup; w0: a value is wanted.
SELECT
    k.key_ AS key_, coalesce(v.id_, a.id_) AS id_, a.unsure_ AS unsure_<<cells>>
FROM (SELECT key_ FROM accepted UNION SELECT key_ FROM desired WHERE key_ IS NOT NULL) AS k
INNER JOIN live AS v ON v.key_ = k.key_
LEFT JOIN accepted AS a ON a.key_ = k.key_
LEFT JOIN (
    SELECT w.* FROM desired AS w
    INNER JOIN (SELECT key_ FROM desired GROUP BY key_ HAVING count(*) = 1) AS once ON once.key_ = w.key_
) AS d ON d.key_ = k.key_
