ALTER TABLE {part}
    ALTER COLUMN {column} SET DEFAULT {extraction_id},
    ADD CONSTRAINT {constraint} CHECK ({column} = {extraction_id}),
    SET (autovacuum_enabled = false)
