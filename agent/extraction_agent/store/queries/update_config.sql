-- updated_at tells since when it is defined so: an extraction from before cannot go on.
UPDATE extraction_configs AS c
SET source_type = %(source_type)s,
    source_url = %(source_url)s,
    secret = %(secret)s,
    definition = %(definition)s,
    updated_at = CASE
        WHEN (c.source_type, c.source_url, c.definition)
            IS DISTINCT FROM (%(source_type)s, %(source_url)s, %(definition)s) THEN now()
        ELSE c.updated_at
    END
WHERE id = %(config_id)s
