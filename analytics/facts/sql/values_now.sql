SELECT subject, sum(delta) AS mrr FROM movements GROUP BY subject
