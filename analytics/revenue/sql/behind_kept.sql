SELECT m.subject AS subject
FROM months AS m
LEFT JOIN months AS t ON t.subject = m.subject AND t.month = $later
<<join>>
WHERE m.month = $earlier AND m.mrr_end > 0 AND <<condition>> AND <<fits>>
ORDER BY 1
