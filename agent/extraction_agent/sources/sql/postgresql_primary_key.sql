SELECT a.attname
FROM pg_index AS i
CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, position)
JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indrelid = %(relation)s::regclass AND i.indisprimary AND k.position <= i.indnkeyatts
ORDER BY k.position
