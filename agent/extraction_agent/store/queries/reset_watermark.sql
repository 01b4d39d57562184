-- Failed runs lose the state they were to save: an end of theirs would bring the watermark back.
WITH forgotten AS (
    DELETE FROM extraction_watermarks AS w
    USING extraction_configs AS c
    WHERE w.config_id = %(config_id)s AND c.id = w.config_id
    RETURNING w.config_id, w.state, c.name
),
unmarked AS (
    UPDATE extractions AS e SET watermark = NULL
    FROM forgotten AS f
    WHERE e.config_id = f.config_id AND e.status = 'failed'
)
SELECT state, name FROM forgotten
