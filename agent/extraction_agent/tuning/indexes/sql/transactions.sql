-- What keeps an index from becoming valid: snapshots and writes of others in this database that stand for long, the
-- oldest first; prepared transactions too, whose owner may never come back.
SELECT a.pid, a.usename, a.application_name, a.state, s.seconds
FROM pg_stat_activity AS a
CROSS JOIN LATERAL (
    SELECT extract(epoch FROM clock_timestamp() - a.xact_start)::double precision AS seconds
) AS s
WHERE a.datname = current_database()
  AND a.pid <> pg_backend_pid()
  AND (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)
  AND a.backend_type <> 'autovacuum worker'
  AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index AS p WHERE p.pid = a.pid)
  AND s.seconds >= %(seconds)s
UNION ALL
SELECT NULL, p.owner, p.gid, 'prepared', extract(epoch FROM clock_timestamp() - p.prepared)::double precision
FROM pg_prepared_xacts AS p
WHERE p.database = current_database() AND p.prepared <= clock_timestamp() - make_interval(secs => %(seconds)s)
ORDER BY seconds DESC
