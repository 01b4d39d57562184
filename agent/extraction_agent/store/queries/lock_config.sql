SELECT FROM extraction_configs WHERE id = %(config_id)s FOR UPDATE
