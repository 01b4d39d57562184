SELECT status, snapshot FROM extractions WHERE id = %(extraction_id)s FOR UPDATE
