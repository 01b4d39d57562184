-- A table or view by name; the exact spelling first, where names differ in case only.
SELECT t.table_schema, t.table_name, t.table_type, coalesce(t.engine, ''), coalesce(t.table_rows, 0)
FROM information_schema.tables AS t
WHERE t.table_schema = coalesce(%(schema)s, database()) AND t.table_name = %(name)s
ORDER BY BINARY t.table_name = %(name)s DESC
LIMIT 1
