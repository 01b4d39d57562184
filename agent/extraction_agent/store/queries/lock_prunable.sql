-- Those that are still finished: one that somebody resumes at this moment stays.
SELECT id, status, finished_at, part FROM extractions
WHERE id = ANY (%(extraction_ids)s) AND status IN ('succeeded', 'failed', 'cancelled')
ORDER BY id
FOR UPDATE SKIP LOCKED
