UPDATE extractions
SET snapshot = %(snapshot)s, notes = array_append(notes, %(note)s)
WHERE id = %(extraction_id)s
