SELECT request, extraction_id FROM api_idempotency_keys WHERE token_id = %(token_id)s AND key = %(key)s
