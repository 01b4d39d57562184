SELECT name FROM extraction_configs ORDER BY name
