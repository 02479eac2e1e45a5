-- The rows to send, each with its place: parents before children, then by parent, so that siblings travel together.
SELECT
    key_, id_, parent_, label_, new_, remove_, sent_, known_,
    row_number() OVER (ORDER BY level_, remove_, <<new>>heavy_, parent_, key_) + CAST($offset AS {{whole}}) AS place_<<values>>
FROM <<work>> AS work
WHERE fate_ = 'send' OR fate_ = 'remove'
ORDER BY place_
