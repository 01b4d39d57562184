-- All at once, without waiting: what comes after waits for what they hold.
SELECT pg_terminate_backend(a.pid)
FROM extraction_chunks AS c
JOIN pg_stat_activity AS a ON a.pid = c.backend_pid AND a.backend_start = c.backend_start
WHERE c.extraction_id = %(extraction_id)s AND c.state = 'running' AND a.pid <> pg_backend_pid()
