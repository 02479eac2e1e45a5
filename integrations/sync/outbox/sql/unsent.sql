-- Rows of one fate that are not sent.
SELECT key_, id_, parent_, label_, bad_, sent_<<cells>> FROM <<work>> AS work WHERE fate_ = <<fate>>
