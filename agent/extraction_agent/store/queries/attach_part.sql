ALTER TABLE {part} INHERIT {target}
