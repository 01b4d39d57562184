-- End whoever holds the extraction's row: its xmax is their transaction.
SELECT pg_terminate_backend(l.pid)
FROM extractions AS e
JOIN pg_locks AS l ON l.locktype = 'transactionid' AND l.transactionid = e.xmax AND l.granted
WHERE e.id = %(extraction_id)s AND l.pid <> pg_backend_pid()
