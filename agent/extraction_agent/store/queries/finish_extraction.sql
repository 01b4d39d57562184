UPDATE extractions
SET status = 'succeeded', attached = part IS NOT NULL, finished_at = clock_timestamp(), snapshot = NULL
WHERE id = %(extraction_id)s
