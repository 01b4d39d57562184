SELECT chunk_no, range, state, attempt, failures, error, agent, rows, bytes, hash
FROM extraction_chunks
WHERE extraction_id = %(extraction_id)s
ORDER BY chunk_no
