DELETE FROM extraction_schedules WHERE config_id = %(config_id)s
