INSERT INTO audit_pending (who, action, object, request, before, after)
VALUES (%(who)s, %(action)s, %(object)s, %(request)s, %(before)s, %(after)s)
