SELECT {columns} FROM {relation} LIMIT 0
