INSERT INTO api_idempotency_keys (token_id, key, request, extraction_id)
VALUES (%(token_id)s, %(key)s, %(request)s, %(extraction_id)s)
