-- One that has expired makes room for another of its name.
UPDATE api_tokens SET revoked_at = expires_at WHERE name = %(name)s AND revoked_at IS NULL AND expires_at <= now()
