INSERT INTO extraction_configs AS c (name, source_type, source_url, secret, definition)
VALUES (%(name)s, %(source_type)s, %(source_url)s, %(secret)s, %(definition)s)
ON CONFLICT (name) DO UPDATE
SET source_type = excluded.source_type,
    source_url = excluded.source_url,
    secret = excluded.secret,
    definition = excluded.definition,
    updated_at = now()
RETURNING c.id
