-- The same pins as at a source, so that a record is stored and read again as the bytes that came.
SET client_encoding = 'UTF8';
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';
SET extra_float_digits = 1;
SET bytea_output = 'hex';
SET lc_monetary = 'C';
SET default_transaction_isolation = 'read committed';
SET statement_timeout = 0;
SELECT set_config('transaction_timeout', '0', false)  -- from PostgreSQL 17 on
WHERE current_setting('transaction_timeout', true) IS NOT NULL;
SET idle_in_transaction_session_timeout = 0;
SET idle_session_timeout = 0;
SET lock_timeout = '30s';
SET jit = off;
SET client_min_messages = 'warning'
