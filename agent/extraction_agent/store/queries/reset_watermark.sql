DELETE FROM extraction_watermarks AS w
USING extraction_configs AS c
WHERE w.config_id = %(config_id)s AND c.id = w.config_id
RETURNING w.state, c.name
