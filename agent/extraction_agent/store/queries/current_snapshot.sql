-- For the one who renews it, which may take minutes; chunks are claimed meanwhile.
SELECT status, snapshot FROM extractions WHERE id = %(extraction_id)s FOR NO KEY UPDATE
