UPDATE extractions SET part = %(part)s, attached = false WHERE id = %(extraction_id)s RETURNING now()
