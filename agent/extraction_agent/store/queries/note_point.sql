-- Of two that tell of the same part of a watch, the first was of its beginning, or an agent was started between them:
-- the longer one counts. A guard that has tripped stays told.
INSERT INTO rollout_points AS p
    (rollout_id, host, no, seconds, records, busy_seconds, attempts, failed, pool_active, pool_maximum, tripped)
SELECT
    id, %(host)s, %(no)s, %(seconds)s, %(records)s, %(busy_seconds)s, %(attempts)s, %(failed)s, %(pool_active)s,
    %(pool_maximum)s, %(tripped)s
FROM rollouts
WHERE id = %(id)s
ON CONFLICT (rollout_id, host, no) DO UPDATE
SET seconds = excluded.seconds, records = excluded.records, busy_seconds = excluded.busy_seconds,
    attempts = excluded.attempts, failed = excluded.failed, pool_active = excluded.pool_active,
    pool_maximum = excluded.pool_maximum, tripped = coalesce(excluded.tripped, p.tripped),
    noted_at = excluded.noted_at
WHERE excluded.seconds > p.seconds OR excluded.tripped IS NOT NULL
