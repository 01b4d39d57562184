SELECT status, count(*) FROM extractions GROUP BY status ORDER BY status
