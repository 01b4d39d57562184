-- No row: one is running, or there is nothing to take back. The token is also of the time, so that it grows over a store
-- restored from a backup. A way back is of what the record has before the fleet's, whatever its caller says; where there
-- is nothing before, of what the caller's configuration names.
WITH
fleet AS (SELECT id, token FROM rollouts WHERE state = 'committed' ORDER BY token DESC LIMIT 1),
earlier AS (
    SELECT profile, settings FROM rollouts
    WHERE state = 'committed' AND token < (SELECT token FROM fleet) ORDER BY token DESC LIMIT 1
)
INSERT INTO rollouts (token, profile, settings, holder, lease_seconds, lease_until, watch_seconds, takes_back)
SELECT
    greatest((SELECT max(token) + 1 FROM rollouts), (extract(epoch FROM clock_timestamp()) * 1000)::bigint),
    coalesce((SELECT profile FROM earlier WHERE %(back)s), %(profile)s),
    coalesce((SELECT settings FROM earlier WHERE %(back)s), %(settings)s),
    %(holder)s, %(lease_seconds)s,
    clock_timestamp() + make_interval(secs => %(lease_seconds)s),
    CASE WHEN %(back)s THEN 0 ELSE %(watch_seconds)s END,
    (SELECT id FROM fleet WHERE %(back)s)
WHERE NOT %(back)s OR EXISTS (SELECT FROM fleet)
ON CONFLICT (state) WHERE state = 'running' DO NOTHING
RETURNING id
