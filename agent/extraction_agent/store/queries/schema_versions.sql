SELECT version, checksum FROM extraction_schema ORDER BY version
