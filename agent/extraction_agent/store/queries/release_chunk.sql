-- An attempt ended without the chunk being done.
UPDATE extraction_chunks
SET state = 'waiting', failures = failures + %(failed)s, error = coalesce(%(error)s, error), backend_pid = NULL
WHERE extraction_id = %(extraction_id)s
  AND chunk_no = %(chunk_no)s
  AND attempt = %(attempt)s
  AND state = 'running'
RETURNING failures
