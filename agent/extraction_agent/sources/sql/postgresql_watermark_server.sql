-- What keeps a watermark from being exact: a standby does not see the primary's sessions, a role may not see others'.
SELECT
    pg_is_in_recovery() AS standby,
    pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all,
    has_column_privilege(%(relation)s::oid, 'xmin', 'SELECT') AS sees_xmin
