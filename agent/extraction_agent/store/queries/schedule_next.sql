UPDATE extraction_schedules SET next_at = %(next_at)s, try_at = %(try_at)s WHERE config_id = %(config_id)s
