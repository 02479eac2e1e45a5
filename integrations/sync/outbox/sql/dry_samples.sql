-- Some of the rows that would be sent.
SELECT * FROM (<<stage>>) AS staged WHERE place_ <= <<room>>
