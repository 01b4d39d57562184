-- All columns in order, invisible ones too.
SELECT c.column_name, c.data_type, c.column_type, c.is_nullable
FROM information_schema.columns AS c
WHERE c.table_schema = %(schema)s AND c.table_name = %(name)s
ORDER BY c.ordinal_position
