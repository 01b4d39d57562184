-- How far the order of a column is the order in which the rows lie: 1 or -1 exactly, 0 not at all; no row: not known.
SELECT s.correlation
FROM pg_stats AS s
JOIN pg_namespace AS n ON n.nspname = s.schemaname
JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = s.tablename
WHERE c.oid = %(relation)s AND s.attname = %(column)s AND NOT s.inherited AND s.correlation IS NOT NULL
