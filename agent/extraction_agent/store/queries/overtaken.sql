-- A later extraction that has moved the watermark this one began from, whether its config was defined anew since, and
-- whether it is incremental and the watermark was reset.
SELECT
    w.extraction_id,
    c.updated_at > e.created_at,
    e.watermark IS NULL AND c.definition ->> 'watermark' IS NOT NULL
FROM extractions AS e
JOIN extraction_configs AS c ON c.id = e.config_id
LEFT JOIN extraction_watermarks AS w ON w.config_id = e.config_id AND w.extraction_id > e.id AND e.watermark IS NOT NULL
WHERE e.id = %(extraction_id)s
