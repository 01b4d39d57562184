-- The newest stamp up to now, and where the overlap before it begins.
SELECT high::text, greatest((high - make_interval(secs => {overlap}))::{type}, {previous}::{type})::text
FROM (
    SELECT least(newest, {clock}::{type}) AS high
    FROM (SELECT max({column}) AS newest FROM {relation}) AS m
    WHERE newest IS NOT NULL
) AS h
