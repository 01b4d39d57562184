INSERT INTO extractions (config_id, status, started_at, plan, profile, target, snapshot, watermark, notes)
VALUES (
    %(config_id)s, 'running', now(), %(plan)s, %(profile)s, %(target)s, %(snapshot)s, %(watermark)s, %(notes)s
)
RETURNING id
