INSERT INTO extraction_data (extraction_id, data, extracted_at, chunk_no)
VALUES (%(extraction_id)s, %(data)s, now(), %(chunk_no)s)
