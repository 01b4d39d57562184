-- For a key no index vouches for: one full reading that finds its flaws and its equal shares together.
SELECT {names}, total, nulls, repeats
FROM (
    SELECT {names}, place, total, nulls, max(repeats) OVER () AS repeats
    FROM (
        SELECT
            {texts},
            row_number() OVER (ORDER BY {key}) AS place,
            count(*) OVER () AS total,
            count(*) FILTER (WHERE num_nulls({key}) > 0) OVER () AS nulls,
            count(*) OVER (PARTITION BY {key}) AS repeats
        FROM {relation}{where}
    ) AS scan
) AS flaws
WHERE place % {step} = 0 AND place <= total - {step} / 2 OR place = total
ORDER BY place
