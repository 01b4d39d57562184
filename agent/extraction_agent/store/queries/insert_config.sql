-- No row: there is one of this name.
INSERT INTO extraction_configs (name, source_type, source_url, secret, definition)
VALUES (%(name)s, %(source_type)s, %(source_url)s, %(secret)s, %(definition)s)
ON CONFLICT (name) DO NOTHING
RETURNING id
