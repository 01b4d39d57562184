SELECT id, name, digest, scopes, created_at, expires_at, revoked_at FROM api_tokens ORDER BY created_at, id
