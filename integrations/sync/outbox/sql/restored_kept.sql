-- Cells of which Salesforce's value stays although ours is another one: h0 says so of the first field, u0 is ours, v0 theirs.
SELECT * FROM (SELECT key_, id_<<cells>> FROM (<<beside>>) AS beside) AS kept WHERE <<some>> ORDER BY key_
