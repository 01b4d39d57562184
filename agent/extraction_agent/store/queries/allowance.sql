-- Of sessions a plain role is told little; their names it may see. A database's own limit knows no reserve.
WITH here AS (SELECT datconnlimit AS most, oid FROM pg_database WHERE datname = current_database()),
server AS (
    SELECT
        current_setting('max_connections')::integer AS most,
        current_setting('superuser_reserved_connections')::integer
            + coalesce(current_setting('reserved_connections', true)::integer, 0) AS reserved
)
SELECT
    CASE WHEN narrow THEN here.most ELSE server.most END,
    CASE WHEN narrow THEN 0 ELSE server.reserved END,
    (
        SELECT count(*)::integer
        FROM pg_stat_activity AS a
        WHERE a.usesysid IS NOT NULL AND a.datid IS NOT NULL
            AND coalesce(a.backend_type, 'client backend') = 'client backend'
            AND a.application_name NOT LIKE 'extraction-agent%%'
            AND (NOT narrow OR a.datid = here.oid)
    )
FROM here, server, LATERAL (
    SELECT here.most BETWEEN 0 AND server.most - server.reserved AS narrow
) AS n
