-- Where an overlapping run's window begins: the greatest number, less the overlap. Decimals, since unsigned has no -1.
SELECT h.high, greatest(CAST(h.high AS DECIMAL(65, 10)) - {seconds}, coalesce({previous}, CAST(h.high AS DECIMAL(65, 10)) - {seconds}))
FROM (SELECT max({column}) AS high FROM {relation}) AS h
