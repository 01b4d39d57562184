-- A table as whoever wants to index it must know it.
SELECT
    n.nspname, c.relname, c.relkind::text, pg_get_userbyid(c.relowner),
    pg_has_role(c.relowner, 'USAGE'), has_schema_privilege(n.oid, 'CREATE'), pg_is_in_recovery(),
    array(
        SELECT a.attname::text FROM pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attnum
    )
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = %(table)s
