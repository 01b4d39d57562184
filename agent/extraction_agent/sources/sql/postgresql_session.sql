-- What every session at a source pins, so that the same row has the same bytes whoever reads it.
SET client_encoding = 'UTF8';
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';
SET extra_float_digits = 1;
SET bytea_output = 'hex';
-- Every scan begins at the front: a query's row_number() is the same for each chunk as long as nothing else changes.
SET synchronize_seqscans = off;
-- A policy that would hide rows raises an error instead: never silently fewer.
SET row_security = off;
SET default_transaction_read_only = on;
SET statement_timeout = 0;
SELECT set_config('transaction_timeout', '0', false)  -- from PostgreSQL 17 on
WHERE current_setting('transaction_timeout', true) IS NOT NULL;
SET idle_in_transaction_session_timeout = 0;
SET idle_session_timeout = 0;
SET lock_timeout = '10s';
SET jit = off;
