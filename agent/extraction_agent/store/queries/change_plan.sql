UPDATE extractions
SET plan = %(plan)s,
    snapshot = %(snapshot)s,
    watermark = %(watermark)s,
    part = NULL,
    attached = false,
    notes = notes || ARRAY(SELECT note FROM unnest(%(notes)s::text[]) AS note WHERE note <> ALL (notes))
WHERE id = %(extraction_id)s
