-- Take a chunk for this backend. No row: it is done, or its extraction is over.
UPDATE extraction_chunks AS c
SET state = 'running',
    attempt = c.attempt + 1,
    agent = %(agent)s,
    backend_pid = pg_backend_pid(),
    backend_start = (SELECT a.backend_start FROM pg_stat_activity AS a WHERE a.pid = pg_backend_pid()),
    started_at = clock_timestamp()
FROM extractions AS e
WHERE c.extraction_id = %(extraction_id)s
  AND c.chunk_no = %(chunk_no)s
  AND c.state <> 'done'
  AND e.id = c.extraction_id
  AND e.status = 'running'
RETURNING c.attempt, c.range
