UPDATE extractions
SET snapshot = %(snapshot)s,
    watermark = coalesce(%(watermark)s, watermark),
    notes = array_append(notes, %(note)s)
WHERE id = %(extraction_id)s
