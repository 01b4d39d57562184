SELECT to_regclass(%(relation)s)::oid
