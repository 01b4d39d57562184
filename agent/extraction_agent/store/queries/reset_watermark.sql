DELETE FROM extraction_watermarks WHERE config_id = %(config_id)s
