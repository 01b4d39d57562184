-- Columns of unique indexes a range can be cut by: ordered, on whole columns. The primary key first.
SELECT s.index_name, s.column_name, s.nullable = 'YES', s.sub_part IS NOT NULL, s.index_type
FROM information_schema.statistics AS s
WHERE s.table_schema = %(schema)s AND s.table_name = %(name)s AND s.non_unique = 0
ORDER BY s.index_name <> 'PRIMARY', s.index_name, s.seq_in_index
