-- Indexes that are being built in this database. Of other roles' the server may tell the session only.
SELECT
    p.pid, p.relid, p.index_relid, p.phase, p.blocks_done, p.blocks_total, p.tuples_done, p.tuples_total,
    p.current_locker_pid, a.usename, a.application_name,
    extract(epoch FROM clock_timestamp() - a.query_start)::double precision
FROM pg_stat_progress_create_index AS p
LEFT JOIN pg_stat_activity AS a ON a.pid = p.pid
WHERE p.datname = current_database() AND p.pid <> pg_backend_pid()
