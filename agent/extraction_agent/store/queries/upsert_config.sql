-- updated_at tells since when it is defined so: an extraction from before cannot go on.
INSERT INTO extraction_configs AS c (name, source_type, source_url, secret, definition)
VALUES (%(name)s, %(source_type)s, %(source_url)s, %(secret)s, %(definition)s)
ON CONFLICT (name) DO UPDATE
SET source_type = excluded.source_type,
    source_url = excluded.source_url,
    secret = excluded.secret,
    definition = excluded.definition,
    updated_at = CASE
        WHEN (c.source_type, c.source_url, c.definition)
            IS DISTINCT FROM (excluded.source_type, excluded.source_url, excluded.definition) THEN now()
        ELSE c.updated_at
    END
RETURNING c.id
