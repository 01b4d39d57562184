-- The plan by which the least row is found. With an index that begins with these columns it is never a full scan.
EXPLAIN (VERBOSE, FORMAT JSON) SELECT {columns} FROM {relation} ORDER BY {columns} LIMIT 1
