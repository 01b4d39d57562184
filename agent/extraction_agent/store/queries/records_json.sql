-- The inner query gives rows as they are stored, so that sorting a window carries no large value about.
SELECT found.data::text, split_part(found.place, ',', 1)::bigint, split_part(found.place, ',', 2)::int
FROM (
    SELECT data, btrim(ctid::text, '()') AS place
    FROM ONLY {table}
    WHERE {extraction} = %(extraction_id)s AND ctid > %(after)s::tid AND ctid < %(before)s::tid
    ORDER BY ctid
    LIMIT %(limit)s
) AS found
