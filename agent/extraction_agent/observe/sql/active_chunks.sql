SELECT chunk.state, count(*)
FROM extractions AS extraction
JOIN extraction_chunks AS chunk ON chunk.extraction_id = extraction.id
WHERE extraction.status = 'running'
GROUP BY chunk.state
