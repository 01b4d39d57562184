-- No row: there is a valid one of that name. One that has expired makes room.
WITH expired AS (
    UPDATE api_tokens SET revoked_at = now()
    WHERE name = %(name)s AND revoked_at IS NULL AND expires_at <= now()
)
INSERT INTO api_tokens (id, name, digest, scopes, expires_at)
VALUES (%(id)s, %(name)s, %(digest)s, %(scopes)s, now() + make_interval(secs => %(seconds)s))
ON CONFLICT DO NOTHING
RETURNING created_at, expires_at
