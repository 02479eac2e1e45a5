-- Rows of the accepted state as they are from a restore on: what is newer there counts as accepted, and no doubt is left.
SELECT key_, id_, CAST(NULL AS {{text}}) AS unsure_, false AS gone_<<values>>
FROM (<<beside>>) AS beside
WHERE unsure_ IS NOT NULL OR <<some>>
