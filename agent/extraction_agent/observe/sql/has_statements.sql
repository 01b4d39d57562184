-- Where pg_stat_statements is, if it is there and loaded.
SELECT namespace.nspname
FROM pg_extension AS extension
JOIN pg_namespace AS namespace ON namespace.oid = extension.extnamespace
WHERE extension.extname = 'pg_stat_statements'
  AND current_setting('pg_stat_statements.track', true) IS NOT NULL
