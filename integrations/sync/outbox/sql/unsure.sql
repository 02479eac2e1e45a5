-- Rows of which nobody knows whether Salesforce took them: the fields that were on their way count as unknown.
SELECT
    s.key_ AS key_, coalesce(s.id_, a.id_) AS id_, coalesce(a.unsure_, ' ') || <<names>> AS unsure_, false AS gone_<<values>>
FROM sent AS s
INNER JOIN doubtful AS u ON u.key_ = s.key_
LEFT JOIN accepted AS a ON a.key_ = s.key_
