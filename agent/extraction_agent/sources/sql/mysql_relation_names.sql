-- Names that may have been meant.
SELECT CASE WHEN t.table_schema = database() THEN t.table_name ELSE concat(t.table_schema, '.', t.table_name) END
FROM information_schema.tables AS t
WHERE t.table_schema NOT IN ('information_schema', 'performance_schema', 'mysql', 'sys')
LIMIT 10000
