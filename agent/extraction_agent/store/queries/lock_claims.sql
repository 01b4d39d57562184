-- Waits for claims under way, which lock FOR KEY SHARE, and keeps others out until the end. No row: it is over.
SELECT part FROM extractions WHERE id = %(extraction_id)s AND status IN ('pending', 'running') FOR UPDATE
