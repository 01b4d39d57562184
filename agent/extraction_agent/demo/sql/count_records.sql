-- The same over the records of one extraction.
SELECT count(*), sum(hashtextextended(data::text, 0)) FROM extraction_data WHERE extraction_id = %(extraction_id)s
