-- Rows of the chunks that differ, each followed by where it lies.
COPY (
    SELECT {columns}, ctid, tableoid FROM {table}
    WHERE {extraction} = {extraction_id} AND ({chunk} = ANY({chunks}) OR ({chunk} IS NULL AND {with_null}))
) TO STDOUT (FORMAT binary)
