-- One stored record as JSON text.
SELECT row_to_json(record)::text
FROM (SELECT {columns} FROM ONLY {table} WHERE ctid = {ctid}::tid) AS record
