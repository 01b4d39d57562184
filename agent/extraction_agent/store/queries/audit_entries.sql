SELECT id, at, who, action, object, request, before, after
FROM audit_log
WHERE (%(below)s::bigint IS NULL OR id < %(below)s) AND (%(object)s::text IS NULL OR object = %(object)s)
ORDER BY id DESC
LIMIT %(limit)s
