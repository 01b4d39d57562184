SELECT pg_relation_size(%(table)s)
