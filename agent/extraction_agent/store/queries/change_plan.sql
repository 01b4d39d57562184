UPDATE extractions
SET plan = %(plan)s,
    snapshot = %(snapshot)s,
    watermark = %(watermark)s,
    part = NULL,
    attached = false,
    notes = array_append(notes, %(note)s)
WHERE id = %(extraction_id)s
