SELECT data::text FROM ONLY {table} WHERE ctid = {ctid}::tid
