-- Indexes under the name of a build, and those that bear a mark of ours.
SELECT x.relname, obj_description(x.oid, 'pg_class')
FROM pg_class AS x
WHERE x.relkind = 'i'
  AND (x.relname ~ '^jivs_r[0-9]+_[0-9]+$' OR obj_description(x.oid, 'pg_class') LIKE %(mark)s)
