SELECT due_at, fired_at, agent, outcome, extraction_id, detail
FROM extraction_firings
WHERE config_id = %(config_id)s
ORDER BY due_at DESC
LIMIT %(limit)s
