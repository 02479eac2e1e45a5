-- Keys of rows that would replace a value which we do not know.
SELECT key_ FROM <<work>> AS work WHERE fate_ = 'send' AND (<<unknown>>)
