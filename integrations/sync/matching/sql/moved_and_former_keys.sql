-- Keys that changed records have now, and those that they had: one record less can make a match unambiguous.
SELECT DISTINCT <theirs> AS k FROM fresh WHERE <theirs> IS NOT NULL AND NOT coalesce(removed, false)
UNION
SELECT DISTINCT former.<theirs> AS k FROM former SEMI JOIN fresh ON fresh."Id" = former."Id" WHERE former.<theirs> IS NOT NULL
