-- Fail or cancel, once.
UPDATE extractions
SET status = %(status)s, error = %(error)s, finished_at = clock_timestamp(), snapshot = NULL
WHERE id = %(extraction_id)s AND status IN ('pending', 'running')
RETURNING part
