-- The state, and the window's digests, which move from the chunk to the watermark.
WITH moved AS (
    UPDATE extraction_chunks SET window_digests = NULL
    WHERE extraction_id = %(extraction_id)s AND window_digests IS NOT NULL
)
INSERT INTO extraction_watermarks AS w (config_id, extraction_id, state, window_digests)
SELECT
    e.config_id, e.id, e.watermark,
    (SELECT string_agg(k.window_digests, ''::bytea ORDER BY k.chunk_no)  -- as they were before this statement
     FROM extraction_chunks AS k
     WHERE k.extraction_id = e.id AND k.window_digests IS NOT NULL)
FROM extractions AS e
WHERE e.id = %(extraction_id)s AND e.watermark IS NOT NULL
ON CONFLICT (config_id) DO UPDATE
SET extraction_id = excluded.extraction_id,
    state = excluded.state,
    window_digests = excluded.window_digests,
    updated_at = now()
