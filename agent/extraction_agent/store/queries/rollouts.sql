-- The newest first. What is left of lease and watch is of this moment, by this server's clock.
SELECT
    id, token, state, profile, settings, holder, lease_seconds,
    CASE WHEN state = 'running' THEN extract(epoch FROM lease_until - clock_timestamp())::double precision ELSE 0 END,
    renewals, wave, paused, coalesce(reason, undone_because), started_at, ended_at, watch_seconds,
    CASE WHEN state = 'committed' THEN
        greatest(watch_seconds - extract(epoch FROM clock_timestamp() - ended_at)::double precision, 0)
    ELSE 0 END,
    undoes, takes_back
FROM rollouts
WHERE (%(id)s::bigint IS NULL OR id = %(id)s) AND (%(state)s::text IS NULL OR state = %(state)s)
ORDER BY token DESC
LIMIT %(limit)s
