-- Upper bounds of equal shares of the key, from whole pages taken at random.
SELECT DISTINCT ON (share) {texts}
FROM (
    SELECT {key}, ntile({chunks}) OVER (ORDER BY {key}) AS share
    FROM {relation} TABLESAMPLE SYSTEM ({percent})
) AS sample
ORDER BY share, {descending}
