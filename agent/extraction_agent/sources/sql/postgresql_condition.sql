-- At work: now, or since the guard's last look, which is half a second ago: statements of a busy source are short.
-- A session whose state the role may not see counts as one at work: not to know is no leave to hurt.
WITH others AS MATERIALIZED (
    SELECT state, state_change, xact_start
    FROM pg_stat_activity
    WHERE (backend_type = 'client backend' OR backend_type IS NULL AND datid IS NOT NULL)
      AND coalesce(application_name, '') !~ %(ours)s
      AND pid <> pg_backend_pid()
)
SELECT count(*) FILTER (
           WHERE state IS NULL OR state IN ('active', 'fastpath function call', 'disabled')
              OR state_change > clock_timestamp() - interval '0.5 s'
       ),
       count(*) FILTER (WHERE state IS NULL OR state IN ('active', 'fastpath function call')),
       (SELECT extract(epoch FROM CASE
                   WHEN NOT pg_is_in_recovery() THEN (SELECT max(replay_lag) FROM pg_stat_replication)
                   WHEN pg_last_wal_receive_lsn() IS DISTINCT FROM pg_last_wal_replay_lsn()
                       THEN clock_timestamp() - pg_last_xact_replay_timestamp()
               END)::float8),
       extract(epoch FROM clock_timestamp() - min(xact_start))::float8
FROM others
