-- For a key no index vouches for: one full reading that finds its flaws and its equal shares together.
SELECT DISTINCT ON (share)
    {texts},
    max(nulls) OVER () AS nulls,
    max(repeats) OVER () AS repeats
FROM (
    SELECT
        {key},
        (row_number() OVER (ORDER BY {key}) - 1) / {chunk_rows} AS share,
        count(*) FILTER (WHERE num_nulls({key}) > 0) OVER () AS nulls,
        count(*) OVER (PARTITION BY {key}) - 1 AS repeats
    FROM {relation}
) AS scan
ORDER BY share, {descending}
