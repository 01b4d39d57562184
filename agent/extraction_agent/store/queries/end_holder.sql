-- End whoever has the extraction in hand (take_in_hand) or claims a chunk of it (claim_chunk). Its row's xmax would not
-- tell: of many lockers it is a multixact.
SELECT pg_terminate_backend(l.pid)
FROM (
    SELECT hashtextextended(mark, %(extraction_id)s) AS key
    FROM unnest(ARRAY['extraction in hand', 'extraction claim']) AS mark
) AS marked
JOIN pg_locks AS l
    ON l.classid::bigint = (marked.key >> 32) & 4294967295
    AND l.objid::bigint = marked.key & 4294967295
    AND l.objsubid = 1
JOIN pg_database AS d ON d.oid = l.database AND d.datname = current_database()
WHERE l.locktype = 'advisory' AND l.granted AND l.pid <> pg_backend_pid()
