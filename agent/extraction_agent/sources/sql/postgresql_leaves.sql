-- The tables that hold a relation's rows, with their blocks: itself, its partitions, its children. readable: whether
-- each may be read by itself; a policy of its own would refuse that though it does not apply to its parent's readers.
WITH RECURSIVE tree (oid) AS (
    SELECT %(relation)s::oid
    UNION
    SELECT i.inhrelid FROM pg_inherits AS i JOIN tree AS t ON i.inhparent = t.oid
    WHERE NOT i.inhdetachpending  -- whose rows the relation shows no longer
)
SELECT
    c.oid::bigint AS oid,
    format('%%I.%%I', n.nspname, c.relname) AS name,
    pg_relation_size(c.oid) / current_setting('block_size')::bigint AS blocks,
    has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
        AND NOT row_security_active(c.oid) AS readable
FROM tree AS t
JOIN pg_class AS c ON c.oid = t.oid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm')
ORDER BY c.oid
