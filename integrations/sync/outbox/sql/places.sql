-- The rows of a batch in their order.
SELECT <<names>> FROM sent WHERE place_ >= $first AND place_ <= $last ORDER BY place_
