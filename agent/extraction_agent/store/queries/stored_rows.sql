-- Every row of an extraction as a reader of its table sees it, its part included.
COPY (SELECT {columns} FROM {table} WHERE {extraction} = {extraction_id}) TO STDOUT (FORMAT binary)
