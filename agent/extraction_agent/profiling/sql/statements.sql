-- What the statements of this database have taken so far.
SELECT query, sum(calls)::float8, sum(total_exec_time)::float8 / 1000, sum(rows)::float8, sum(shared_blks_read)::float8
FROM {view}
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND query IS NOT NULL
GROUP BY query
