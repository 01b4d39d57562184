-- Extractions with what their chunks add up to, newest first. What a cancelled one had copied is gone. Trouble is of one
-- that runs: what its most often failed chunk met last.
SELECT
    e.id, c.name, e.status,
    coalesce(k.rows, 0)::bigint AS rows,
    coalesce(k.bytes, 0)::bigint AS bytes,
    k.chunks, k.done, k.running,
    (e.plan ->> 'estimated_rows')::bigint AS estimated_rows,
    e.plan ->> 'format' AS format,
    e.created_at,
    extract(epoch FROM coalesce(e.finished_at, clock_timestamp()) - e.started_at)::float8 AS seconds,
    e.error, e.notes, e.watermark, t.error AS trouble
FROM extractions AS e
JOIN extraction_configs AS c ON c.id = e.config_id
CROSS JOIN LATERAL (
    SELECT
        count(*) AS chunks,
        count(*) FILTER (WHERE state = 'done') AS done,
        count(*) FILTER (WHERE state = 'running') AS running,
        sum(k.rows) FILTER (WHERE e.status <> 'cancelled') AS rows,
        sum(k.bytes) FILTER (WHERE e.status <> 'cancelled') AS bytes
    FROM extraction_chunks AS k
    WHERE k.extraction_id = e.id
) AS k
LEFT JOIN LATERAL (
    SELECT f.error
    FROM extraction_chunks AS f
    WHERE e.status = 'running' AND f.extraction_id = e.id AND f.state <> 'done' AND f.error IS NOT NULL
    ORDER BY f.failures DESC, f.chunk_no
    LIMIT 1
) AS t ON true
WHERE e.id = ANY(CASE  -- picked first, each way by its index: no more of them are added up than are asked for
    WHEN %(extraction_id)s::bigint IS NOT NULL THEN ARRAY[%(extraction_id)s::bigint]
    WHEN %(config_id)s::bigint IS NOT NULL THEN ARRAY(
        SELECT p.id FROM extractions AS p
        WHERE p.config_id = %(config_id)s AND p.id < %(before)s::bigint
        ORDER BY p.id DESC LIMIT %(limit)s
    )
    ELSE ARRAY(SELECT p.id FROM extractions AS p WHERE p.id < %(before)s::bigint ORDER BY p.id DESC LIMIT %(limit)s)
END)
ORDER BY e.id DESC
