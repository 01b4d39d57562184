COMMENT ON INDEX {name} IS {mark}
