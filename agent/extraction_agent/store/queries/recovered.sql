SELECT row_to_json(record)::text FROM (SELECT {columns} FROM recovered) AS record
