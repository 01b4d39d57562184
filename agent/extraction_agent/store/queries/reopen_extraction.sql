UPDATE extractions
SET status = 'running', error = NULL, finished_at = NULL, started_at = coalesce(started_at, now())
WHERE id = %(extraction_id)s AND status IN ('pending', 'running', 'failed')
RETURNING id
