-- Running extractions whose chunks are all done: their last agent died before it could finish them.
SELECT e.id
FROM extractions AS e
WHERE e.status = 'running'
  AND (%(extraction_id)s::bigint IS NULL OR e.id = %(extraction_id)s)
  AND NOT EXISTS (SELECT FROM extraction_chunks AS c WHERE c.extraction_id = e.id AND c.state <> 'done')
