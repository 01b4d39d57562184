-- Take a chunk for this backend. No row: it is done, or its extraction is over. The lock keeps whoever ends the
-- extraction waiting, who would not see this attempt yet. None for a chunk that is done: nobody is to wait for that.
UPDATE extraction_chunks AS c
SET state = 'running',
    attempt = c.attempt + 1,
    agent = %(agent)s,
    backend_pid = pg_backend_pid(),
    backend_start = (SELECT a.backend_start FROM pg_stat_activity AS a WHERE a.pid = pg_backend_pid()),
    started_at = clock_timestamp()
FROM (
    SELECT
        x.id,
        pg_advisory_xact_lock_shared(hashtextextended('extraction claim', x.id))  -- nobody waits for it: a mark only
    FROM extractions AS x
    WHERE x.id = %(extraction_id)s
      AND x.status = 'running'
      AND EXISTS (
          SELECT FROM extraction_chunks AS k
          WHERE k.extraction_id = x.id AND k.chunk_no = %(chunk_no)s AND k.state <> 'done'
      )
    FOR KEY SHARE OF x
) AS e
WHERE c.extraction_id = %(extraction_id)s
  AND c.chunk_no = %(chunk_no)s
  AND c.state <> 'done'
  AND e.id = c.extraction_id
RETURNING c.attempt, c.range
