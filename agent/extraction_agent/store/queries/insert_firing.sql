INSERT INTO extraction_firings (config_id, due_at, fired_at, agent, outcome, extraction_id, detail)
VALUES (%(config_id)s, %(due_at)s, %(fired_at)s, %(agent)s, %(outcome)s, %(extraction_id)s, %(detail)s)
