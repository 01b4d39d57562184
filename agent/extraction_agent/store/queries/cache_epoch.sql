-- With the database's own number: a copy of the store has the same epoch.
SELECT c.epoch::text, d.oid::text, c.server, c.settled
FROM config_cache AS c, pg_database AS d
WHERE d.datname = current_database()
