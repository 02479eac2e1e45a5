-- What Salesforce accepted of us, beside what is there now. Rows in doubt are left to the next push.
SELECT a.key_ AS key_, coalesce(v.id_, a.id_) AS id_, v.key_ IS NULL AS gone_<<cells>>
FROM accepted AS a
LEFT JOIN live AS v ON v.key_ = a.key_
WHERE a.unsure_ IS NULL
