-- All jobs but those a living agent is at.
DELETE FROM procrastinate_jobs AS j
WHERE j.queue_name = ANY (SELECT 'extraction-' || id FROM unnest(%(extraction_ids)s::bigint[]) AS id)
  AND NOT EXISTS (
      SELECT FROM procrastinate_workers AS w
      WHERE j.status = 'doing' AND w.id = j.worker_id AND w.last_heartbeat > now() - interval '1 minute'
  )
