-- Rows that go back, by parent.
SELECT
    key_, id_, parent_, label_, false AS new_, <<removes>> AS remove_, mask_ AS sent_, <<known>> AS known_,
    row_number() OVER (ORDER BY parent_, key_) + CAST($after AS {{whole}}) AS place_<<values>>
FROM (<<undo>>) AS undone
WHERE fate_ = <<fate>>
ORDER BY place_
