-- The last statement of a chunk's transaction. No row: another attempt owns or has finished it; roll back.
UPDATE extraction_chunks
SET state = 'done',
    rows = %(rows)s, bytes = %(bytes)s, hash = %(hash)s, digests = %(digests)b,
    window_digests = %(window_digests)b,
    error = NULL, finished_at = clock_timestamp()
WHERE extraction_id = %(extraction_id)s
  AND chunk_no = %(chunk_no)s
  AND attempt = %(attempt)s
  AND state <> 'done'
