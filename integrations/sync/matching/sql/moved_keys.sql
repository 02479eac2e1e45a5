-- Keys that changed records of the other side have now.
SELECT DISTINCT <theirs> AS k FROM fresh WHERE <theirs> IS NOT NULL AND NOT coalesce(removed, false)
