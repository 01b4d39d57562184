-- Configs, extractions, chunks and records. The names and the first columns are a contract with users' queries.

CREATE TABLE extraction_configs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    source_type text NOT NULL,
    source_url text NOT NULL,                    -- never with a password
    secret text,                                 -- the name of the secret that holds it
    definition jsonb NOT NULL,                   -- model.Definition
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE extractions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    config_id bigint NOT NULL REFERENCES extraction_configs,
    status text NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'running', 'succeeded', 'failed', 'cancelled')),
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz,
    plan jsonb NOT NULL,                         -- model.Plan
    profile jsonb NOT NULL,                      -- the settings it runs under
    target text NOT NULL,                        -- the table its records go to, quoted
    part text,                                   -- its own part of that table, quoted; NULL: the table itself
    attached boolean NOT NULL DEFAULT false,     -- the part has become visible in the table
    snapshot text,                               -- token of the snapshot its chunks share
    watermark jsonb,                             -- what the config's watermark becomes when it succeeds
    notes text[] NOT NULL DEFAULT '{}',          -- what a reader of its records should know
    error text
);

-- One unfinished extraction per config: a second is refused by the store, not by a check that can be raced.
CREATE UNIQUE INDEX extractions_one_active ON extractions (config_id) WHERE status IN ('pending', 'running');

CREATE TABLE extraction_chunks (
    extraction_id bigint NOT NULL REFERENCES extractions ON DELETE CASCADE,
    chunk_no integer NOT NULL,
    range jsonb NOT NULL,                        -- model.Chunk
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'done')),
    attempt integer NOT NULL DEFAULT 0,          -- fences every earlier one
    failures integer NOT NULL DEFAULT 0,
    error text,                                  -- of the last failure
    agent text,
    backend_pid integer,                         -- of the running attempt, so that it can be ended
    backend_start timestamptz,
    rows bigint,
    bytes bigint,
    hash bigint,                                 -- sum of the rows' xxh64, modulo 2^64
    digests bytea,                               -- the first 4 bytes of each row's xxh64
    window_digests bytea,                        -- of an overlapping run's window: what its watermark will keep
    started_at timestamptz,
    finished_at timestamptz,
    PRIMARY KEY (extraction_id, chunk_no)
) WITH (fillfactor = 70);
ALTER TABLE extraction_chunks  -- noise does not compress
    ALTER COLUMN digests SET STORAGE EXTERNAL, ALTER COLUMN window_digests SET STORAGE EXTERNAL;

CREATE TABLE extraction_data (
    extraction_id bigint NOT NULL,
    data json NOT NULL,
    extracted_at timestamptz NOT NULL DEFAULT now(),
    chunk_no integer
);

CREATE TABLE extraction_watermarks (
    config_id bigint PRIMARY KEY REFERENCES extraction_configs ON DELETE CASCADE,
    extraction_id bigint NOT NULL,               -- the run that ended with it
    state jsonb NOT NULL,
    window_digests bytea,                        -- 8 bytes of each row the next overlapping run may meet again
    updated_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE extraction_watermarks ALTER COLUMN window_digests SET STORAGE EXTERNAL;

-- Parts of large extractions, one table each, attached by inheritance when complete (docs/explanation/store.md).
CREATE SCHEMA extraction_parts;
-- Tables of the format `typed`, one per config.
CREATE SCHEMA extraction_typed;
