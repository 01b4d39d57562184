-- One relation by schema (NULL: as the search path finds it) and name.
SELECT c.oid, n.nspname, c.relname, c.relkind::text
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relname = %(name)s
  AND (n.nspname = %(schema)s OR %(schema)s::text IS NULL AND pg_table_is_visible(c.oid))
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
