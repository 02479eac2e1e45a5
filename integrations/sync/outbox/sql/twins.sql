-- Keys that more than one desired row has, as Salesforce compares them (PX-D9).
SELECT folded_ AS twin_
FROM (SELECT <<folded>> AS folded_ FROM desired WHERE key_ IS NOT NULL) AS keys
GROUP BY folded_
HAVING count(*) > 1
