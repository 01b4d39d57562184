INSERT INTO extraction_schedules (config_id, cron, time_zone, missed, next_at, try_at)
VALUES (%(config_id)s, %(cron)s, %(time_zone)s, %(missed)s, %(next_at)s, %(next_at)s)
ON CONFLICT (config_id) DO UPDATE
SET cron = excluded.cron, time_zone = excluded.time_zone, missed = excluded.missed,
    next_at = excluded.next_at, try_at = excluded.try_at, updated_at = now()
