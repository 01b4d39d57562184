-- No row: there is a valid one of that name.
INSERT INTO api_tokens (id, name, digest, scopes, expires_at)
VALUES (%(id)s, %(name)s, %(digest)s, %(scopes)s, now() + make_interval(secs => %(seconds)s))
ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING
RETURNING created_at, expires_at
