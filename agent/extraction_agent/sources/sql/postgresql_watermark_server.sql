-- What keeps a watermark from being exact: a standby does not see the primary's sessions, a role may not see others'.
-- copied: a subscription brings rows whose stamps were made elsewhere, before any transaction here began.
SELECT
    pg_is_in_recovery() AS standby,
    pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all,
    has_column_privilege(%(relation)s::oid, 'xmin', 'SELECT') AS sees_xmin,
    EXISTS (
        SELECT FROM pg_subscription_rel
        WHERE srrelid = %(relation)s::oid OR srrelid IN (SELECT relid FROM pg_partition_tree(%(relation)s::oid))
    ) AS copied
