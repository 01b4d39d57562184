-- How many blocks a table has, and how many records its extraction brought.
SELECT
    pg_relation_size(%(table)s::regclass) / current_setting('block_size')::bigint,
    (SELECT coalesce(sum(rows), 0)::bigint FROM extraction_chunks WHERE extraction_id = %(extraction_id)s)
