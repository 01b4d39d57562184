SELECT status FROM extractions WHERE id = %(extraction_id)s
