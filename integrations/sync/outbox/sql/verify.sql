-- Rows that are not as we left them.
SELECT * FROM (<<beside>>) AS compared WHERE gone_ OR <<some>> ORDER BY key_
