-- When extractions begin by themselves, and what became of each time they were due.

CREATE TABLE extraction_schedules (
    config_id bigint PRIMARY KEY REFERENCES extraction_configs ON DELETE CASCADE,
    cron text NOT NULL,                          -- five fields, of the time zone's wall clock
    time_zone text NOT NULL,                     -- an IANA name
    missed text NOT NULL CHECK (missed IN ('skip', 'once')),
    next_at timestamptz NOT NULL,                -- when it is due next
    try_at timestamptz NOT NULL,                 -- the same, or later: the source was away when it was due
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX extraction_schedules_try_at ON extraction_schedules (try_at);

-- One row a time, for the whole fleet: written in the transaction that records the extraction.
CREATE TABLE extraction_firings (
    config_id bigint NOT NULL REFERENCES extraction_schedules ON DELETE CASCADE,
    due_at timestamptz NOT NULL,
    fired_at timestamptz NOT NULL,
    agent text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('started', 'overlap', 'missed', 'failed')),
    extraction_id bigint,                        -- of a started one; it may be pruned since
    detail text,
    PRIMARY KEY (config_id, due_at)
);
