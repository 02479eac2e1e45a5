-- How many rows of each fate there are, and how they would travel.
SELECT
    fate_, level_, heavy_, new_, count(*) AS rows_, {{count_if(<<clears>>)}} AS clears_, {{count_if(<<unknown>>)}} AS unknown_
FROM <<work>> AS work
GROUP BY fate_, level_, heavy_, new_
