-- A part is loaded without indexes and outside the table; finish_extraction indexes and attaches it.
CREATE TABLE {part} (LIKE {target} INCLUDING DEFAULTS INCLUDING STORAGE INCLUDING CONSTRAINTS INCLUDING GENERATED)
