-- Finished extractions that are old enough and not among the newest successes of their config, oldest first. The rows
-- of a cancelled one have gone before.
SELECT
    e.id, c.name, e.status, e.finished_at, e.target, e.part, e.plan ->> 'format' AS format,
    (
        SELECT coalesce(sum(k.rows), 0)::bigint
        FROM extraction_chunks AS k
        WHERE k.extraction_id = e.id AND e.status <> 'cancelled'
    ) AS rows,
    coalesce(w.extraction_id = e.id, false) AS has_watermark,
    w.config_id IS NOT NULL AND e.status = 'succeeded' AS passed
FROM (
    SELECT x.*, row_number() OVER (PARTITION BY x.config_id, x.status ORDER BY x.id DESC) AS place
    FROM extractions AS x
    WHERE x.status IN ('succeeded', 'failed', 'cancelled')
) AS e
JOIN extraction_configs AS c ON c.id = e.config_id
LEFT JOIN extraction_watermarks AS w ON w.config_id = e.config_id
WHERE e.finished_at <= now() - make_interval(secs => %(seconds)s)
  AND (%(config_id)s::bigint IS NULL OR e.config_id = %(config_id)s)
  AND (e.place > %(keep)s OR e.status <> 'succeeded')
  AND (%(extraction_ids)s::bigint[] IS NULL OR e.id = ANY (%(extraction_ids)s))
ORDER BY e.id
