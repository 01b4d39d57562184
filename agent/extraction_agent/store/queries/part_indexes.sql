-- The indexes of a table as their definitions read from the access method on: "USING btree (a, b)". What stands before
-- is cut off by its length: a name may hold any words. One of a rollout that still runs is left out: it may be dropped
-- again, and its copies would stay.
SELECT
    i.indisunique,
    substr(
        pg_get_indexdef(i.indexrelid),
        1 + length('CREATE INDEX  ON . ' || CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END)
          + length(quote_ident(x.relname) || quote_ident(n.nspname) || quote_ident(t.relname))
    ) AS definition
FROM pg_index AS i
JOIN pg_class AS x ON x.oid = i.indexrelid
JOIN pg_class AS t ON t.oid = i.indrelid
JOIN pg_namespace AS n ON n.oid = t.relnamespace
WHERE i.indrelid = %(target)s::regclass AND i.indisvalid
  AND NOT EXISTS (
      SELECT FROM rollout_indexes AS ours
      JOIN rollouts AS r ON r.id = ours.rollout_id
      WHERE ours.database = 'store' AND ours.ours AND r.state <> 'committed' AND ours.state <> 'dropped'
        AND x.relname IN (ours.name, format('jivs_r%%s_%%s', ours.rollout_id, ours.no))
  )
ORDER BY i.indexrelid
