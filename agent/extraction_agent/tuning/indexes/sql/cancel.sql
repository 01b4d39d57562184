-- Only while it is this index that the backend builds.
SELECT pg_cancel_backend(p.pid)
FROM pg_stat_progress_create_index AS p
WHERE p.pid = %(pid)s AND p.datname = current_database() AND p.index_relid = %(index)s
