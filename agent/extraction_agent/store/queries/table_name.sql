SELECT %(oid)s::oid::regclass::text
