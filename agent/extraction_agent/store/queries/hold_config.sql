SELECT name, source_type, source_url, secret, definition FROM extraction_configs WHERE id = %(config_id)s FOR SHARE
