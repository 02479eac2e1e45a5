-- Each member with its cohort and the bits of its periods.
SELECT
    s.member AS member, s.subject AS subject, s.began AS began, <<cohort>> AS cohort,
    coalesce(k.mask, 0) + CASE WHEN coalesce(k.at_start, 0) > 1 AND {{bit_and(coalesce(k.mask, 0), 1)}} = 0 THEN 1 ELSE 0 END AS mask
FROM members AS s
LEFT JOIN marks AS k ON k.member = s.member
<<values>>
