-- Tables this session has locked that are no longer what its snapshot knows: rewritten or truncated since, for to that
-- snapshot they are empty; or a partition by now (beneath a view, say), for the chunks before had none of its rows.
-- pg_class is read as of the snapshot; the functions look at the catalog as it is now.
SELECT c.oid::regclass::text AS name
FROM pg_locks AS l
JOIN pg_class AS c ON c.oid = l.relation
WHERE l.pid = pg_backend_pid()
  AND l.locktype = 'relation'
  AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
  AND c.relkind IN ('r', 'm')
  AND (
      (c.relfilenode <> 0 AND pg_relation_filenode(c.oid) IS DISTINCT FROM c.relfilenode)
      OR (%(partitions)s AND NOT c.relispartition AND pg_partition_root(c.oid) <> c.oid AND pg_relation_size(c.oid) > 0)
  )
ORDER BY name
