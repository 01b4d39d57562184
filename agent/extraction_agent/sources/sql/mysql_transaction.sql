-- Nothing is ever written; each statement, outside a transaction, reads one moment.
SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY
