-- Columns declared JSON: a LONGTEXT with this check, by the name of the column.
SELECT c.constraint_name
FROM information_schema.check_constraints AS c
WHERE c.constraint_schema = %(schema)s AND c.table_name = %(name)s
  AND c.check_clause = concat('json_valid(`', replace(c.constraint_name, '`', '``'), '`)')
