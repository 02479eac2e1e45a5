-- Rows of which something stays as it is, with the reason.
SELECT key_, id_, label_, fate_, whys_ FROM (<<undo>>) AS undone
WHERE fate_ = 'same' OR fate_ = 'created' OR fate_ = 'conflict' OR (fate_ = 'restore' AND whys_ <> '')
ORDER BY key_
