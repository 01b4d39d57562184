SELECT status, count(*) FROM extractions WHERE status IN ('pending', 'running') GROUP BY status
