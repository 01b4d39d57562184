-- No row: one is running. The token is also of the time, so that it grows over a store restored from a backup.
INSERT INTO rollouts (token, profile, settings, holder, lease_seconds, lease_until, watch_seconds)
SELECT
    greatest((SELECT max(token) + 1 FROM rollouts), (extract(epoch FROM clock_timestamp()) * 1000)::bigint),
    %(profile)s, %(settings)s, %(holder)s, %(lease_seconds)s,
    clock_timestamp() + make_interval(secs => %(lease_seconds)s), %(watch_seconds)s
ON CONFLICT (state) WHERE state = 'running' DO NOTHING
RETURNING id
