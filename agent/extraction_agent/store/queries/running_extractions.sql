SELECT id FROM extractions WHERE status = 'running' ORDER BY id
