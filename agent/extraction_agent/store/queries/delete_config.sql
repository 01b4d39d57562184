DELETE FROM extraction_configs WHERE id = %(config_id)s RETURNING name, source_type, source_url, secret, definition
