-- One relation by schema (NULL: as the search path finds it) and name. columns: all of its columns, for a role that may
-- not read every one; NULL: it may.
SELECT
    c.oid, n.nspname, c.relname, c.relkind::text,
    CASE WHEN NOT has_table_privilege(c.oid, 'SELECT') THEN (
        SELECT array_agg(a.attname ORDER BY a.attnum)
        FROM pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    ) END AS columns
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relname = %(name)s
  AND (n.nspname = %(schema)s OR %(schema)s::text IS NULL AND pg_table_is_visible(c.oid))
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
