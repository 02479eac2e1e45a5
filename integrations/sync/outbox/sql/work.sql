-- Every row that is not as Salesforce accepted it.
SELECT * FROM (<<diff>>) AS compared_rows WHERE fate_ <> 'same'
