-- No transaction that is open in this database began before this, and none begins with an earlier now(): where one message
-- holds several transactions, each of them has the message's. (A procedure's have their own.)
-- hidden: a session does not tell when its began.
SELECT
    least(
        min(xact_start),
        min(query_start) FILTER (
            WHERE state = 'active' AND backend_type = 'client backend'
              AND (
                  strpos(rtrim(query, E'; \t\n\r'), ';') > 0
                  OR octet_length(query) >= pg_size_bytes(current_setting('track_activity_query_size')) - 1  -- cut off
              )
        ),
        now()
    )::text AS low,
    coalesce(bool_or(state = 'disabled'), false) AS hidden
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type <> 'autovacuum worker'  -- which writes no row
