SELECT status, attached FROM extractions WHERE id = %(extraction_id)s FOR UPDATE SKIP LOCKED
