-- Keys that a push wrote.
SELECT key_ FROM told WHERE outcome_ = 'written'
