-- Kinds of storage below a relation that keep no transaction number with each row.
WITH RECURSIVE tree (oid) AS (
    SELECT %(relation)s::oid
    UNION
    SELECT i.inhrelid FROM pg_inherits AS i JOIN tree AS t ON i.inhparent = t.oid
)
SELECT DISTINCT CASE WHEN c.relkind = 'f' THEN 'foreign' ELSE m.amname END
FROM tree AS t
JOIN pg_class AS c ON c.oid = t.oid
LEFT JOIN pg_am AS m ON m.oid = c.relam
WHERE c.relkind = 'f' OR c.relkind = 'r' AND m.amname <> 'heap'
