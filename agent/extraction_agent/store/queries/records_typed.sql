-- As records_json; a record is made of the source's columns. No such column is called as one of ours.
SELECT record.text, split_part(found._extraction_id, ',', 1)::bigint, split_part(found._extraction_id, ',', 2)::int
FROM (
    SELECT {columns}, btrim(ctid::text, '()') AS _extraction_id
    FROM ONLY {table}
    WHERE {extraction} = %(extraction_id)s AND ctid > %(after)s::tid AND ctid < %(before)s::tid
    ORDER BY ctid
    LIMIT %(limit)s
) AS found
CROSS JOIN LATERAL (
    SELECT row_to_json(_chunk_no)::text AS text FROM (SELECT {columns}) AS _chunk_no
) AS record
