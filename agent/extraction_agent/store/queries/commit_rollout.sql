-- The one statement that makes a generation the fleet's.
UPDATE rollouts
SET state = 'committed', ended_at = clock_timestamp()
WHERE id = %(id)s AND token = %(token)s AND state = 'running' AND lease_until > clock_timestamp() AND NOT paused
