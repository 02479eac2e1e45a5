-- How many rows were compared, and how many are not as we left them.
SELECT count(*) AS rows_, {{count_if(gone_ OR <<some>>)}} AS differing_ FROM (<<beside>>) AS compared
