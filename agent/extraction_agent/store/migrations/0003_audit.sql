-- Who changed what: a chain of entries, each with the hash of the one before (docs/how-to/audit.md).

CREATE TABLE audit_log (
    id bigint PRIMARY KEY,                       -- without gaps
    at timestamptz NOT NULL,                     -- when the change was made; entries stand in the order of commits
    who text NOT NULL,                           -- cli:…, token:…, schedule, agent:…
    action text NOT NULL,                        -- config.replaced, extraction.created, …
    object text NOT NULL,                        -- config orders, extraction 7, …
    request text,                                -- the id of the HTTP request
    before jsonb CHECK (jsonb_typeof(before) = 'object'),
    after jsonb CHECK (jsonb_typeof(after) = 'object'),
    previous bytea NOT NULL,                     -- the hash of the entry before; of the first: nothing
    hash bytea NOT NULL                          -- SHA-256 of previous and of audit_text() in UTF-8
);

-- The end of the chain. Its row lock is what puts transactions in order.
CREATE TABLE audit_head (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    id bigint NOT NULL,
    hash bytea NOT NULL
) WITH (fillfactor = 50);
INSERT INTO audit_head (id, hash) VALUES (0, '');

-- Entries of transactions under way. Chaining is the last thing a transaction does, in its commit: so the lock is held
-- for a commit's length only, however long the transaction was, and whoever holds it waits for nobody.
CREATE TABLE audit_pending (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    who text NOT NULL,
    action text NOT NULL,
    object text NOT NULL,
    request text,
    before jsonb,
    after jsonb
);

-- What the hash is of, one text for one entry: JSON, so that no two entries can read alike.
CREATE FUNCTION audit_text(e audit_log) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_array(
        e.id, (extract(epoch FROM e.at) * 1000000)::bigint, e.who, e.action, e.object, e.request, e.before, e.after
    )::text
$$;

CREATE FUNCTION audit_chain() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    entry audit_log;
BEGIN
    DELETE FROM audit_pending WHERE id = NEW.id;
    SELECT id + 1, hash INTO STRICT entry.id, entry.previous FROM audit_head FOR UPDATE;
    entry.at := NEW.at;
    entry.who := NEW.who;
    entry.action := NEW.action;
    entry.object := NEW.object;
    entry.request := NEW.request;
    entry.before := NEW.before;
    entry.after := NEW.after;
    entry.hash := sha256(entry.previous || convert_to(audit_text(entry), 'UTF8'));
    INSERT INTO audit_log SELECT entry.*;
    UPDATE audit_head SET id = entry.id, hash = entry.hash;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER audit_chain AFTER INSERT ON audit_pending
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_chain();

CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The audit log is only ever added to: % is refused.', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER audit_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_refuse BEFORE DELETE OR TRUNCATE ON audit_head
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
-- Always: also in a session that has switched triggers off by session_replication_role.
ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_refuse;
ALTER TABLE audit_head ENABLE ALWAYS TRIGGER audit_refuse;
ALTER TABLE audit_pending ENABLE ALWAYS TRIGGER audit_chain;
