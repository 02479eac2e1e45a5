-- New rows that name another new row as their parent.
SELECT d.key_, d.parent_
FROM desired AS d
INNER JOIN desired AS p ON p.key_ = d.parent_
LEFT JOIN accepted AS a ON a.key_ = p.key_
WHERE a.key_ IS NULL AND d.key_ <> d.parent_
