-- The one statement that makes a generation the fleet's. What is to be taken back still has to be the fleet's.
UPDATE rollouts
SET state = 'committed', ended_at = clock_timestamp()
WHERE id = %(id)s AND token = %(token)s AND state = 'running' AND lease_until > clock_timestamp() AND NOT paused
    AND NOT EXISTS (SELECT FROM rollout_objections(%(id)s))
    AND (
        takes_back IS NULL
        OR takes_back = (SELECT id FROM rollouts WHERE state = 'committed' ORDER BY token DESC LIMIT 1)
    )
