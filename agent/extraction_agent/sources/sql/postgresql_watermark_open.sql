-- No transaction that is open in this database began before this. hidden: a session does not tell when its began.
SELECT least(min(xact_start), now())::text AS low, coalesce(bool_or(state = 'disabled'), false) AS hidden
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type <> 'autovacuum worker'  -- which writes no row
