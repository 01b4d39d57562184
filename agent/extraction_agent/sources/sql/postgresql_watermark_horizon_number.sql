-- The greatest finite number, and where the overlap before it begins.
SELECT high::text, greatest(floor(high::numeric - {overlap}), {previous}::numeric)::{type}::text
FROM (SELECT max({column}) AS high FROM {relation} WHERE {finite}) AS h
WHERE high IS NOT NULL
