-- The key {offset} rows further on: reads the key's index only, in order.
SELECT {texts} FROM {relation}{where} ORDER BY {key} LIMIT 1 OFFSET {offset}
