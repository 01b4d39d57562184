CREATE TABLE benchmark AS
SELECT
    n::bigint AS id,
    (n * 7919 %% 100000)::integer AS number,
    'item ' || md5(n::text) AS name,
    round((n %% 1000000) * 1.37, 2) AS amount,
    jsonb_build_object('colour', (ARRAY['red', 'green', 'blue'])[n %% 3 + 1], 'sizes', jsonb_build_array(n %% 10, n %% 7)) AS details,
    CASE WHEN n %% 4 > 0 THEN repeat('note ', (n %% 10)::integer) || n END AS note,
    timestamptz '2024-01-01 00:00:00+00' + n * interval '1 minute' AS at,
    n %% 2 = 0 AS active,
    md5(n::text)::uuid AS code,
    sqrt(n) AS ratio
FROM generate_series(1, %(rows)s::bigint) AS n
