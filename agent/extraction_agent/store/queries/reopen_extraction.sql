-- A failed one that is taken up again has all its tries before it.
UPDATE extractions AS e
SET status = 'running', error = NULL, finished_at = NULL, started_at = coalesce(e.started_at, now()),
    plan = CASE before.status WHEN 'failed' THEN e.plan - 'renewals' ELSE e.plan END
FROM (SELECT id, status FROM extractions WHERE id = %(extraction_id)s FOR UPDATE) AS before
WHERE e.id = before.id AND before.status IN ('pending', 'running', 'failed')
RETURNING before.status
