-- One that is due and that no other agent is at: the lock is the firing, and ends with the transaction or its agent.
SELECT s.config_id, c.name, s.cron, s.time_zone, s.missed, s.next_at, s.try_at
FROM extraction_schedules AS s
JOIN extraction_configs AS c ON c.id = s.config_id
WHERE s.try_at <= %(now)s
ORDER BY s.try_at, s.config_id
LIMIT 1
FOR UPDATE OF s SKIP LOCKED
