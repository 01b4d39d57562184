SET default_transaction_read_only = on;
SET jit = off;
SET max_parallel_workers_per_gather = 0;
SET statement_timeout = '5s';
SET lock_timeout = '1s'
