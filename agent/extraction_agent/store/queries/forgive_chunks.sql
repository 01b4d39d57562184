UPDATE extraction_chunks SET failures = 0 WHERE extraction_id = %(extraction_id)s AND failures > 0
