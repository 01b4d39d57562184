-- Fail or cancel, once. A failed one keeps its snapshot's token: `resume` must find it gone, not absent.
UPDATE extractions
SET status = %(status)s, error = %(error)s, finished_at = clock_timestamp()
WHERE id = %(extraction_id)s AND status IN ('pending', 'running')
RETURNING id
