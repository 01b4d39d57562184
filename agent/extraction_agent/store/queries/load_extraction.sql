SELECT
    e.id, e.config_id, c.name, c.source_type, c.source_url, c.secret, c.definition,
    e.status, e.plan, e.profile, e.target, e.part, e.attached, e.snapshot, e.watermark
FROM extractions AS e
JOIN extraction_configs AS c ON c.id = e.config_id
WHERE e.id = %(extraction_id)s
