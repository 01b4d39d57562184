SELECT digests FROM extraction_chunks WHERE extraction_id = %(extraction_id)s AND chunk_no = %(chunk_no)s
