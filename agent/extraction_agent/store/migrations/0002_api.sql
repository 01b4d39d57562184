-- What the HTTP interface keeps: its tokens, and which extraction an Idempotency-Key has begun.

CREATE TABLE api_tokens (
    id text PRIMARY KEY,                         -- the part of a token that is no secret
    name text NOT NULL,
    digest bytea NOT NULL CHECK (length(digest) = 32),  -- sha256 of the whole token, which is kept nowhere
    scopes text[] NOT NULL CHECK (scopes <@ ARRAY['read', 'operate', 'tune'] AND cardinality(scopes) > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,                      -- NULL: never
    revoked_at timestamptz
);
CREATE UNIQUE INDEX api_tokens_one_valid ON api_tokens (name) WHERE revoked_at IS NULL;

-- Written in the transaction that records the extraction: so a request that comes twice begins one.
CREATE TABLE api_idempotency_keys (
    token_id text NOT NULL REFERENCES api_tokens,
    key text NOT NULL,
    request bytea NOT NULL,                      -- sha256 of what was asked for
    extraction_id bigint NOT NULL REFERENCES extractions ON DELETE CASCADE,
    PRIMARY KEY (token_id, key)
);
CREATE INDEX api_idempotency_keys_extraction ON api_idempotency_keys (extraction_id);
