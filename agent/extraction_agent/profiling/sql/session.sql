-- Who looks on writes nothing and waits for nobody.
SET client_encoding = 'UTF8';
SET TimeZone = 'UTC';
SET default_transaction_read_only = on;
SET statement_timeout = '5s';
SET lock_timeout = '1s';
SET idle_session_timeout = 0;
SET jit = off
