-- Unique keys a range can be cut by: valid, immediate, whole, on columns, in the columns' own order and collation (so
-- that the index serves the ranges). The primary key first, then the narrowest. An index of a table with children of
-- its own says nothing of their rows. A NOT NULL that is NOT VALID (18) may stand above NULLs.
SELECT i.indisprimary, k.columns, k.not_null, c.relname
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_am AS m ON m.oid = c.relam
JOIN pg_class AS r ON r.oid = i.indrelid
CROSS JOIN LATERAL (
    SELECT
        array_agg(a.attname ORDER BY p.position) AS columns,
        bool_and(a.attnotnull AND NOT EXISTS (
            SELECT FROM pg_constraint AS n
            WHERE n.conrelid = i.indrelid AND n.contype = 'n' AND n.conkey = ARRAY[a.attnum] AND NOT n.convalidated
        )) AS not_null,
        bool_and(o.opcdefault AND p.coll IN (0, a.attcollation)) AS usual
    FROM unnest(i.indkey::int2[], i.indclass::oid[], i.indcollation::oid[])
        WITH ORDINALITY AS p (attnum, class, coll, position)
    JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = p.attnum
    JOIN pg_opclass AS o ON o.oid = p.class
    WHERE p.position <= i.indnkeyatts
) AS k
WHERE i.indrelid = %(relation)s
  AND i.indisunique AND i.indisvalid AND i.indimmediate
  AND i.indpred IS NULL AND i.indexprs IS NULL
  AND m.amname = 'btree'
  AND k.usual
  AND (r.relkind = 'p' OR NOT EXISTS (SELECT FROM pg_inherits AS h WHERE h.inhparent = r.oid))
ORDER BY i.indisprimary DESC, i.indnkeyatts, c.relname
