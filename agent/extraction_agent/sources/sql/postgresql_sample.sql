-- Upper bounds of equal shares of the key, and the rows kept, of whole pages taken at random. What is left after the
-- last bound is half a share to one and a half.
SELECT {names}, total
FROM (
    SELECT {texts}, row_number() OVER (ORDER BY {key}) AS place, count(*) OVER () AS total
    FROM {relation} TABLESAMPLE SYSTEM ({percent}){where}
) AS sample
WHERE place % {step} = 0 AND place <= total - {step} / 2 OR place = total
ORDER BY place
