-- Since the first of its present chunks was begun. NULL: none was.
SELECT extract(epoch FROM clock_timestamp() - min(started_at))::float8
FROM extraction_chunks
WHERE extraction_id = %(extraction_id)s
