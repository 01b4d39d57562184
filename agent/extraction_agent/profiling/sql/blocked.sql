-- What a session wants and another has, and how long that one's transaction has lasted.
SELECT
    wanted.mode,
    coalesce(wanted.relation::regclass::text, wanted.locktype),
    holder.pid,
    coalesce(nullif(holder.application_name, ''), holder.usename, holder.backend_type),
    holder.state,
    extract(epoch FROM clock_timestamp() - holder.xact_start)::float8
FROM pg_locks AS wanted
JOIN pg_stat_activity AS holder ON holder.pid = ANY (%(holders)s)
WHERE wanted.pid = %(pid)s AND NOT wanted.granted
