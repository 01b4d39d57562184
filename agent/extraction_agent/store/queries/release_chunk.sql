-- An agent's attempt at a chunk has ended without it being done. One that was taken over has no say any more.
UPDATE extraction_chunks
SET state = 'waiting',
    backend_pid = NULL,
    failures = failures + %(failed)s,
    error = coalesce(%(error)s, error)
WHERE extraction_id = %(extraction_id)s
  AND chunk_no = %(chunk_no)s
  AND (state = 'waiting' OR state = 'running' AND agent = %(agent)s)
RETURNING failures
