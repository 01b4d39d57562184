-- After a commit each host is watched, and what does not hold is taken back (docs/explanation/rollout.md).

ALTER TABLE rollouts
    ADD COLUMN watch_seconds double precision NOT NULL DEFAULT 0 CHECK (watch_seconds >= 0),  -- from the commit on
    ADD COLUMN undoes bigint UNIQUE REFERENCES rollouts,  -- the committed one whose watch it has answered
    ADD COLUMN undone_because text,
    ADD CHECK ((undoes IS NULL) = (undone_because IS NULL)),
    ADD CHECK (undoes IS NULL OR state = 'committed');

-- What each host has seen of a watch, forty-eight points at most: hourly, if it lasts two days.
CREATE TABLE rollout_points (
    rollout_id bigint NOT NULL REFERENCES rollouts ON DELETE CASCADE,
    host text NOT NULL,
    no integer NOT NULL CHECK (no BETWEEN 0 AND 47),  -- of the watch's equal parts
    seconds double precision NOT NULL,           -- of this part in which the host looked
    records bigint NOT NULL,
    busy_seconds double precision NOT NULL,      -- with a chunk in flight
    attempts bigint NOT NULL,                    -- at chunks
    failed bigint NOT NULL,
    pool_active integer NOT NULL,                -- the most at once
    pool_maximum integer NOT NULL,
    tripped text,                                -- the guard's words
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (rollout_id, host, no)
);

-- The one thing an agent may commit: what was before a rollout that is being watched. Returns the number of the new
-- rollout; null if there is nothing to take back any more. Where nothing was before, what the caller's configuration
-- names is the fleet's. Its caller holds the lock by which rollouts begin.
CREATE FUNCTION take_back_rollout(number bigint, because text, by_host text, configured text, named jsonb)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    undone rollouts;
    earlier rollouts;
    written bigint;
BEGIN
    SELECT * INTO undone FROM rollouts WHERE state = 'committed' ORDER BY token DESC LIMIT 1;
    IF undone.id IS DISTINCT FROM number
        OR clock_timestamp() >= undone.ended_at + make_interval(secs => undone.watch_seconds) THEN
        RETURN NULL;
    END IF;
    SELECT * INTO earlier FROM rollouts
    WHERE state = 'committed' AND token < undone.token ORDER BY token DESC LIMIT 1;
    INSERT INTO rollouts
        (token, state, profile, settings, holder, lease_seconds, lease_until, ended_at, undoes, undone_because)
    SELECT
        greatest((SELECT max(token) + 1 FROM rollouts), (extract(epoch FROM clock_timestamp()) * 1000)::bigint),
        'committed', coalesce(earlier.profile, configured), coalesce(earlier.settings, named),
        'the watch on ' || by_host, 1, clock_timestamp(), clock_timestamp(), undone.id, because
    RETURNING id INTO written;
    RETURN written;
END
$$;
REVOKE ALL ON FUNCTION take_back_rollout FROM PUBLIC;

-- No temporary table of the caller's may stand in for these.
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION take_back_rollout SET search_path = %I, pg_temp', current_schema());
END $$;
