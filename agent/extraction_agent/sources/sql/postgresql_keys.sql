-- Unique keys a range can be cut by: valid, immediate, whole, on columns. The primary key first, then the narrowest.
SELECT
    i.indisprimary,
    (SELECT array_agg(a.attname ORDER BY k.position)
     FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, position)
     JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
     WHERE k.position <= i.indnkeyatts) AS columns,
    (SELECT bool_and(a.attnotnull)
     FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, position)
     JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
     WHERE k.position <= i.indnkeyatts) AS not_null,
    c.relname
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_am AS m ON m.oid = c.relam
WHERE i.indrelid = %(relation)s
  AND i.indisunique AND i.indisvalid AND i.indimmediate
  AND i.indpred IS NULL AND i.indexprs IS NULL
  AND (m.amname = 'btree' OR c.relkind = 'I')
ORDER BY i.indisprimary DESC, i.indnkeyatts, c.relname
