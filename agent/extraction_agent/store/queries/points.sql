SELECT host, no, seconds, records, busy_seconds, attempts, failed, pool_active, pool_maximum, tripped, noted_at
FROM rollout_points
WHERE rollout_id = %(id)s
ORDER BY host, no
