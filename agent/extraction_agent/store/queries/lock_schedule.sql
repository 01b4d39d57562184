SELECT cron, time_zone, missed FROM extraction_schedules WHERE config_id = %(config_id)s FOR UPDATE
