-- Those of some tables that have not been dropped.
SELECT oid::bigint FROM pg_class WHERE oid = ANY (%(oids)s::oid[])
