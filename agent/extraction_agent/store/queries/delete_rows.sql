DELETE FROM ONLY {table} WHERE {extraction} = ANY(%(extraction_ids)s)
