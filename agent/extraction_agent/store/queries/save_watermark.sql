INSERT INTO extraction_watermarks AS w (config_id, extraction_id, state)
SELECT e.config_id, e.id, e.watermark FROM extractions AS e
WHERE e.id = %(extraction_id)s AND e.watermark IS NOT NULL
ON CONFLICT (config_id) DO UPDATE
SET extraction_id = excluded.extraction_id, state = excluded.state, updated_at = now()
