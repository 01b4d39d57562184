-- Which cached configs are valid: those of this epoch, on this server. docs/explanation/cache.md says why.

CREATE TABLE config_cache (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    epoch uuid NOT NULL DEFAULT gen_random_uuid(),
    server text,                                 -- NULL: no cache is valid, everybody asks the store
    settled boolean NOT NULL DEFAULT true        -- no agent believes in an earlier epoch any more
);
INSERT INTO config_cache DEFAULT VALUES;
