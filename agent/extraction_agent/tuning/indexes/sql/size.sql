-- Bytes that an index will take: 8 of tuple header and 4 of pointer beside the columns, each aligned, in leaves filled
-- to nine tenths. Of a table that was never analysed, no more than the table itself takes.
SELECT CASE
    WHEN c.reltuples < 0 THEN pg_relation_size(c.oid)
    ELSE (c.reltuples * (12 + (
        SELECT coalesce(sum(ceil(coalesce(s.avg_width, 16) / 8.0) * 8), 8)
        FROM unnest(%(columns)s::text[]) AS wanted (name)
        LEFT JOIN pg_stats AS s
          ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = wanted.name AND NOT s.inherited
    )) / 0.9)::bigint
END
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = %(table)s
