INSERT INTO extraction_chunks (extraction_id, chunk_no, range)
SELECT %(extraction_id)s, %(first)s + ordinality - 1, range
FROM unnest(%(ranges)s::jsonb[]) WITH ORDINALITY AS t (range, ordinality)
