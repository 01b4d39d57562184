SELECT current_setting('server_version_num')::int, pg_is_in_recovery(), pg_backend_pid()
