-- What a person must allow: rows whose values would be cleared, or whose records would be deleted.
SELECT key_, label_, clear_ FROM <<work>> AS work WHERE fate_ = <<fate>> AND <<only>>
