-- For the rest of this transaction, after short_waits: as session.sql has it.
SET LOCAL lock_timeout = '30s'
