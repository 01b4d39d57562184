SELECT s.config_id, c.name, s.cron, s.time_zone, s.missed, s.next_at, s.try_at
FROM extraction_schedules AS s
JOIN extraction_configs AS c ON c.id = s.config_id
WHERE %(config_id)s::bigint IS NULL OR s.config_id = %(config_id)s
ORDER BY s.next_at, c.name
