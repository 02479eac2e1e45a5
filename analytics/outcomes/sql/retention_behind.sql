-- The customers behind one number.
SELECT DISTINCT subject
FROM tallied
WHERE <<chosen>>
ORDER BY subject
