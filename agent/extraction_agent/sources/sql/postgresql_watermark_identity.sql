-- Which history of transactions this is: a restore or a failover begins another and uses numbers again.
SELECT
    (SELECT system_identifier::text FROM pg_control_system()) AS system,
    left(pg_walfile_name(pg_current_wal_lsn()), 8) AS timeline
