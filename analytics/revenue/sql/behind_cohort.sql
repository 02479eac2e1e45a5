SELECT b.subject AS subject
FROM began AS b
<<join>>
WHERE <<fits>>
ORDER BY 1
