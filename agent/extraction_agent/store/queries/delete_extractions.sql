-- Chunks go with them; a watermark is the config's and stays.
DELETE FROM extractions WHERE id = ANY (%(extraction_ids)s)
