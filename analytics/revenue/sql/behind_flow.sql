SELECT DISTINCT m.subject AS subject
FROM months AS m
<<join>>
WHERE m.month >= $first AND m.month <= $last AND <<condition>> AND <<fits>>
ORDER BY 1
