SELECT count(*) FROM extraction_chunks WHERE extraction_id = %(extraction_id)s AND state <> 'done'
