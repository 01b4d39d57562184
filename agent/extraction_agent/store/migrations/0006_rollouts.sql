-- A change of the fleet is one row, and that row decides it (docs/explanation/rollout.md).

CREATE TABLE rollouts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token bigint NOT NULL UNIQUE,                -- fences: a host refuses one lower than the highest it has seen
    state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'committed', 'aborted')),
    profile text NOT NULL,
    settings jsonb NOT NULL,                     -- profiles.Profile, as it was resolved when the rollout began
    holder text NOT NULL,                        -- the controller
    lease_seconds double precision NOT NULL CHECK (lease_seconds > 0),
    lease_until timestamptz NOT NULL,            -- by this server's clock
    renewals bigint NOT NULL DEFAULT 0,          -- whoever doubts the clocks counts these
    wave integer NOT NULL DEFAULT 0,             -- 0: the databases; 1: the canary; then the rest
    paused boolean NOT NULL DEFAULT false,
    reason text,                                 -- why it was aborted
    started_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    CHECK ((state = 'running') = (ended_at IS NULL)),
    CHECK ((state = 'aborted') = (reason IS NOT NULL))
);
CREATE UNIQUE INDEX rollouts_one_running ON rollouts (state) WHERE state = 'running';

-- What each host says of its trial. It decides nothing.
CREATE TABLE rollout_hosts (
    rollout_id bigint NOT NULL REFERENCES rollouts ON DELETE CASCADE,
    host text NOT NULL,
    wave integer NOT NULL,
    generation bigint NOT NULL,                  -- the host's own number
    state text NOT NULL CHECK (state IN ('trial', 'confirmed', 'back')),
    deadline timestamptz,                        -- of the trial
    reason text,                                 -- why it went back
    entered_at timestamptz NOT NULL DEFAULT clock_timestamp(),  -- the state
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (rollout_id, host)
);

-- What the gates have found. A rollout is committed only if the latest of each wave is GO, or was overridden.
CREATE TABLE rollout_verdicts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rollout_id bigint NOT NULL REFERENCES rollouts ON DELETE CASCADE,
    wave integer NOT NULL,
    verdict text NOT NULL CHECK (verdict IN ('GO', 'NO-GO', 'INCONCLUSIVE')),
    evidence jsonb NOT NULL,
    judged_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    overridden_by text,
    overridden_because text,
    CHECK ((overridden_by IS NULL) = (overridden_because IS NULL)),
    CHECK (overridden_by IS NULL OR verdict = 'INCONCLUSIVE')
);
CREATE INDEX rollout_verdicts_rollout ON rollout_verdicts (rollout_id, wave, id);

-- Indexes a rollout wants, written before any is built: what stands here can be undone by anybody.
CREATE TABLE rollout_indexes (
    rollout_id bigint NOT NULL REFERENCES rollouts ON DELETE CASCADE,
    no integer NOT NULL CHECK (no > 0),          -- it is built as jivs_r<rollout>_<no>
    database text NOT NULL,                      -- store, or the source as its config has it
    name text NOT NULL,
    definition text NOT NULL,
    state text NOT NULL DEFAULT 'intent' CHECK (state IN ('intent', 'built', 'renamed', 'dropped')),
    ours boolean NOT NULL,                       -- false: it was there before, and stays
    PRIMARY KEY (rollout_id, no),
    UNIQUE (rollout_id, database, name)
);

-- Which profile each host has run, and what became of it.
CREATE VIEW tuning_changes AS
SELECT h.rollout_id, r.profile, h.host, h.wave, h.generation, h.state, h.entered_at, h.reason
FROM rollout_hosts AS h
JOIN rollouts AS r ON r.id = h.rollout_id;
