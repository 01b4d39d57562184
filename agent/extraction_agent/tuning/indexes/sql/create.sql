CREATE INDEX CONCURRENTLY {name} ON {table} USING btree ({columns})
