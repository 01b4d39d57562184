-- The highest number there was, so that later ones never repeat it.
WITH deleted AS (DELETE FROM extraction_chunks WHERE extraction_id = %(extraction_id)s RETURNING chunk_no)
SELECT max(chunk_no) FROM deleted
