-- How each column of a result travels. Built-in types with a portable binary form go as they are; as text goes what
-- only this database knows (enums, composites, extensions' types, the catalogs' own rows), what names an object of it
-- by number (reg*), what a server may be built without (xml), and what has no binary form that can always be read again
-- (an empty vector or tsquery cannot). Domains have become their base type before they reach a client. Below 10000 a
-- type's number means the same on every server. Outer joins: a type made after this transaction's snapshot is not among
-- the rows of pg_type, though format_type knows it.
SELECT
    format_type(x.oid, x.typmod) AS type,
    CASE
        WHEN x.oid < 10000
            AND t.typtype IN ('b', 'r', 'm')
            AND element.typtype IS DISTINCT FROM 'c'
            AND t.typname !~ '^_?(reg|gts|pg_(node_tree|ndistinct|dependencies|mcv_list|brin_|ddl_))'
            AND t.typname !~ '^_?(xml|aclitem|int2vector|oidvector|tsquery)$'
            AND t.typsend <> 0 AND t.typreceive <> 0
            THEN format_type(x.oid, x.typmod)
        ELSE 'text'
    END AS sent_as
FROM unnest(%(oids)s::oid[], %(typmods)s::int[]) WITH ORDINALITY AS x (oid, typmod, position)
LEFT JOIN pg_type AS t ON t.oid = x.oid
LEFT JOIN pg_type AS element ON element.oid = t.typelem
ORDER BY x.position
