-- What a table's rows are now.
SELECT count(*), sum(hashtextextended(row_to_json(departures)::text, 0)) FROM departures
