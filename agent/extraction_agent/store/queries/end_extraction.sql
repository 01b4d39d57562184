-- Fail or cancel, once. A failed one keeps its snapshot's token: `resume` must find it gone, not absent.
UPDATE extractions AS e
SET status = %(status)s, error = %(error)s, finished_at = clock_timestamp()
FROM (SELECT id, status FROM extractions WHERE id = %(extraction_id)s FOR UPDATE) AS before
WHERE e.id = before.id AND before.status IN ('pending', 'running')
RETURNING before.status
