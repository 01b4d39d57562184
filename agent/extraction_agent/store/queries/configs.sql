SELECT id, name, source_type, source_url, secret, definition
FROM extraction_configs
WHERE id > %(after)s
ORDER BY id
LIMIT %(limit)s
