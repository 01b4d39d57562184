SELECT id, source_type, source_url, secret, definition FROM extraction_configs WHERE name = %(name)s FOR UPDATE
