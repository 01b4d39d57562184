-- The indexes of a table as their definitions read from the access method on: "USING btree (a, b)".
SELECT
    i.indisunique,
    regexp_replace(pg_get_indexdef(i.indexrelid), '^.*? (USING .*)$', '\1') AS definition
FROM pg_index AS i
WHERE i.indrelid = %(target)s::regclass AND i.indisvalid
ORDER BY i.indexrelid
