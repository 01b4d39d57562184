-- What bears one of the names, and every index of the table. `same` compares all of a definition but the index's own
-- name, so a unique, partial or otherwise different one is not the same. `here`: in the schema of the definition.
SELECT
    x.oid, n.nspname, x.relname, i.indexrelid IS NOT NULL, coalesce(i.indisvalid, false),
    coalesce(pg_get_indexdef(i.indexrelid) = format('CREATE INDEX %%I ON ', x.relname) || d.rest, false) AS same,
    starts_with(d.rest, quote_ident(n.nspname) || '.') AS here,
    obj_description(x.oid, 'pg_class')
FROM (
    SELECT substr(%(definition)s, 1 + length(format('CREATE INDEX %%I ON ', %(name)s::text))) AS rest
) AS d
CROSS JOIN pg_class AS x
JOIN pg_namespace AS n ON n.oid = x.relnamespace
LEFT JOIN pg_index AS i ON i.indexrelid = x.oid
WHERE x.relname IN (%(name)s, %(temporary)s) OR i.indrelid = %(table)s
ORDER BY x.relname
