-- Everything is read again, from another snapshot; attempts go on counting, so old ones stay fenced.
UPDATE extraction_chunks
SET state = 'waiting', attempt = attempt + 1, rows = NULL, bytes = NULL, hash = NULL, digests = NULL,
    backend_pid = NULL, finished_at = NULL
WHERE extraction_id = %(extraction_id)s
