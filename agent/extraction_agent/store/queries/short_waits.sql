-- For this transaction: a person waits for it.
SET LOCAL lock_timeout = '2s'
