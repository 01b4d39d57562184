-- Chunks of running extractions that are not done and that no job will run or is running. A running chunk whose job
-- is gone (a stopped worker that woke marked it done) is left to its backend for a while before it is taken from it.
SELECT c.extraction_id, c.chunk_no
FROM extraction_chunks AS c
JOIN extractions AS e ON e.id = c.extraction_id
WHERE e.status = 'running'
  AND (%(extraction_id)s::bigint IS NULL OR e.id = %(extraction_id)s)
  AND c.state <> 'done'
  AND NOT EXISTS (
      SELECT FROM procrastinate_jobs AS j
      WHERE j.queue_name = 'extraction-' || c.extraction_id
        AND j.queueing_lock = c.extraction_id || '/' || c.chunk_no
        AND j.status IN ('todo', 'doing')
  )
  AND NOT EXISTS (
      SELECT FROM pg_stat_activity AS a
      WHERE c.state = 'running'
        AND a.pid = c.backend_pid
        AND a.backend_start = c.backend_start
        AND c.started_at > clock_timestamp() - make_interval(secs => %(patience)s)
  )
ORDER BY c.extraction_id, c.chunk_no
LIMIT 1000
