UPDATE rollouts
SET state = 'aborted', ended_at = clock_timestamp(), reason = %(reason)s
WHERE id = %(id)s AND state = 'running'
