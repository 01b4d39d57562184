-- Where an overlapping run's window begins: the newest stamp that is not of the future, less the overlap.
SELECT CAST(h.high AS {type}), CAST(greatest(h.high - INTERVAL {seconds} SECOND, coalesce({previous}, h.high - INTERVAL {seconds} SECOND)) AS {type})
FROM (SELECT least(max({column}), CAST(now(6) AS {type})) AS high FROM {relation}) AS h
