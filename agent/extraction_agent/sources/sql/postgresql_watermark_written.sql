-- Where the log ends now, and within how many seconds the server promises to flush a commit that did not wait for it.
-- After a full page the next record has its place behind a header that is not yet there.
SELECT
    ('0/0'::pg_lsn + place - CASE
        WHEN place % pg_size_bytes(current_setting('wal_segment_size')) = 40 THEN 40
        WHEN place % current_setting('wal_block_size')::bigint = 24 THEN 24
        ELSE 0
    END)::text AS place,
    (SELECT 3 * setting::float8 / 1000 FROM pg_settings WHERE name = 'wal_writer_delay') AS seconds
FROM (SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn AS place) AS w
