-- How each column of a result travels. Built-in types with a portable binary form go as they are; what only this
-- database knows (enums, composites, extensions' types), what names an object of it by number (reg*), and what has
-- no binary form to be read again goes as text. Domains have become their base type before they reach a client.
SELECT
    format_type(t.oid, x.typmod) AS type,
    CASE
        WHEN t.oid < 16384
            AND t.typtype IN ('b', 'r', 'm')
            AND t.typname !~ '^_?(reg|gts|pg_(node_tree|ndistinct|dependencies|mcv_list|brin_|ddl_))'
            AND t.typname NOT IN ('xml', '_xml', 'aclitem', '_aclitem', 'refcursor', '_refcursor')
            AND t.typsend <> 0 AND t.typreceive <> 0
            THEN format_type(t.oid, x.typmod)
        ELSE 'text'
    END AS sent_as
FROM unnest(%(oids)s::oid[], %(typmods)s::int[]) WITH ORDINALITY AS x (oid, typmod, position)
JOIN pg_type AS t ON t.oid = x.oid
ORDER BY x.position
