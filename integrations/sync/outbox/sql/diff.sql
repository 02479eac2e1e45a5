-- Desired rows beside what Salesforce accepted of them last: which fields differ, and what becomes of each row.
-- v0 is the wanted value of the first field, b0 what we know to stand there, c0 whether it is sent, x0 whether that clears it.
SELECT *, <<fate>> AS fate_
FROM (
    SELECT
        *, <<sent>> AS sent_, <<known>> AS known_, <<clear>> AS clear_, <<heavy>> AS heavy_
    FROM (
        SELECT
            d.key_ AS key_, <<id>> AS id_, d.parent_ AS parent_, d.label_ AS label_, d.remove_ AS remove_, d.bad_ AS bad_,
            a.key_ IS NULL AS new_, <<level>> AS level_, <<twin>> AS twin_, <<kept>> AS kept_, <<orphan>> AS orphan_<<cells>>
        FROM desired AS d
        LEFT JOIN accepted AS a ON a.key_ = d.key_<<joins>>
    ) AS beside
) AS compared
