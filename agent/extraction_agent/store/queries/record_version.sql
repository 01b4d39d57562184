INSERT INTO extraction_schema (version, name, checksum) VALUES (%(version)s, %(name)s, %(checksum)s)
