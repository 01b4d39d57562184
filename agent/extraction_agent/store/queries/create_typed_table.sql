CREATE TABLE {table} (_extraction_id bigint NOT NULL, _chunk_no integer NOT NULL, {columns})
