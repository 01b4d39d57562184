-- Columns of unique indexes on whole columns, the primary key first.
SELECT i.name, i.origin = 'pk', c.name
FROM pragma_index_list(:name) AS i, pragma_index_info(i.name) AS c
WHERE i."unique" AND NOT i.partial
ORDER BY i.origin <> 'pk', i.seq, c.seqno
