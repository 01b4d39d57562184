-- A page of one config's extractions, and whether it has any, had read all extractions there are.

CREATE INDEX extractions_of_config ON extractions (config_id, id);
