-- Rows of one fate that are not sent.
SELECT key_, id_, parent_, label_, bad_ FROM <<work>> AS work WHERE fate_ = <<fate>>
