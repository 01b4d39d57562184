-- For the one who finishes it. Not FOR UPDATE: an agent with a stale job, which looks at it, does not stand in the way.
SELECT status, attached FROM extractions WHERE id = %(extraction_id)s FOR NO KEY UPDATE SKIP LOCKED
