-- Export this transaction's snapshot: its name and what it sees, and what a watermark must know of it.
SELECT
    pg_export_snapshot() || ' ' || s::text AS token,
    jsonb_build_object(
        'xmin', pg_snapshot_xmin(s)::text,
        'xmax', pg_snapshot_xmax(s)::text,
        'taken_at', clock_timestamp()
    ) AS facts
FROM pg_current_snapshot() AS s
