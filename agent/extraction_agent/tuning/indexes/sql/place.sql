-- Where on the server's disk a new index goes; NULL for a role that may not know. And whether we are on that host.
SELECT
    coalesce(
        nullif(pg_tablespace_location((
            SELECT t.oid FROM pg_tablespace AS t WHERE t.spcname = current_setting('default_tablespace')
        )), ''),
        CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE') THEN current_setting('data_directory') END
    ),
    coalesce(inet_server_addr() IN ('127.0.0.1', '::1'), true)
