-- Ids of changed records; of removed ones too, because one that was merged leads to its survivor.
SELECT DISTINCT <theirs> AS k FROM fresh
