-- What a session pins that builds or drops indexes. Its lock time-out bounds every wait for others.
SET client_encoding = 'UTF8';
SET default_transaction_read_only = off;
SET default_transaction_isolation = 'read committed';
SET statement_timeout = 0;
SELECT set_config('transaction_timeout', '0', false)  -- from PostgreSQL 17 on
WHERE current_setting('transaction_timeout', true) IS NOT NULL;
SET idle_in_transaction_session_timeout = 0;
SET idle_session_timeout = 0;
SET client_min_messages = 'warning'
