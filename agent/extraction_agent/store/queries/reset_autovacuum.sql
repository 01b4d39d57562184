ALTER TABLE {part} RESET (autovacuum_enabled)
