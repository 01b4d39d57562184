SELECT id, audit_text(e), previous, hash FROM audit_log AS e WHERE id > %(after)s ORDER BY id LIMIT %(limit)s
