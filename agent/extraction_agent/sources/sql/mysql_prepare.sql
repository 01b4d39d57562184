-- Read a query, and do not run it: one statement, whole in itself. It is forgotten when the session ends.
PREPARE extraction_query FROM %(query)s
