-- Partitions that a statement reads and the transaction's snapshot does not know as such. pg_partition_tree() looks at
-- the catalog as it is now, as the planner does; a query of it, as it was then.
-- One made later, or without a block, shows that snapshot nothing.
WITH RECURSIVE tree (oid) AS (
    SELECT to_regclass(%(relation)s)::oid
    UNION
    SELECT i.inhrelid FROM pg_inherits AS i JOIN tree AS t ON i.inhparent = t.oid
)
SELECT now.relid::regclass::text AS name
FROM pg_partition_tree(to_regclass(%(relation)s)) AS now
WHERE now.isleaf
  AND now.relid NOT IN (SELECT oid FROM tree)
  AND EXISTS (
      SELECT FROM pg_class AS c
      WHERE c.oid = now.relid AND (c.relkind = 'f' OR pg_relation_size(c.oid) > 0)
  )
ORDER BY name
