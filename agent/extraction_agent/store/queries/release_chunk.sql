-- An agent's attempt at a chunk has ended without it being done.
UPDATE extraction_chunks
SET state = CASE WHEN state = 'running' AND agent = %(agent)s THEN 'waiting' ELSE state END,
    backend_pid = CASE WHEN state = 'running' AND agent = %(agent)s THEN NULL ELSE backend_pid END,
    failures = failures + %(failed)s,
    error = coalesce(%(error)s, error)
WHERE extraction_id = %(extraction_id)s AND chunk_no = %(chunk_no)s AND state <> 'done'
RETURNING failures
