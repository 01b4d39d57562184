-- The condition stands here, and not with the reader: its holder may have renewed the lease since it was read.
UPDATE rollouts
SET state = 'aborted', ended_at = clock_timestamp(), reason = %(reason)s
WHERE state = 'running' AND lease_until <= clock_timestamp()
RETURNING id
