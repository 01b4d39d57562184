-- Our sessions that have a statement to do, what each waits for, and who is in the way of those that want a lock.
SELECT
    pid,
    wait_event_type,
    wait_event,
    CASE WHEN wait_event_type = 'Lock' THEN pg_blocking_pids(pid) ELSE '{}' END
FROM pg_stat_activity
WHERE datname = current_database()
  AND state = 'active'
  AND backend_type = 'client backend'
  AND application_name ~ %(ours)s
