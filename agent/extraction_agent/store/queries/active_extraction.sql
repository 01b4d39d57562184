SELECT id FROM extractions WHERE config_id = %(config_id)s AND status IN ('pending', 'running')
