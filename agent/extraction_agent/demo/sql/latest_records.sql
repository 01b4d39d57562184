-- The newest record of each row over all incremental runs, and how many records stand there twice.
WITH records AS (
    SELECT d.data::text AS data, row_number() OVER (PARTITION BY d.data ->> 'id' ORDER BY d.extraction_id DESC) AS age
    FROM extraction_data AS d
    JOIN extractions AS e ON e.id = d.extraction_id
    JOIN extraction_configs AS c ON c.id = e.config_id AND c.name = 'departures'
)
SELECT
    count(*) FILTER (WHERE age = 1),
    sum(hashtextextended(data, 0)) FILTER (WHERE age = 1),
    count(*) - count(DISTINCT data)
FROM records
