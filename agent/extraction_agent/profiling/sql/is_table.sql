SELECT true FROM pg_class WHERE oid = to_regclass(%(relation)s) AND relkind IN ('r', 'p', 'm')
