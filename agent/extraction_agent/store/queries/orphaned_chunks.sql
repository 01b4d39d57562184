-- Chunks of running extractions that are not done and have no job that will or does run them.
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
ORDER BY c.extraction_id, c.chunk_no
LIMIT 1000
