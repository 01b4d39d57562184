SELECT id, name, digest, scopes, created_at, expires_at, revoked_at
FROM api_tokens
WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
