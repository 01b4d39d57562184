-- The costliest statements of this database. Utility statements name tables that come and go: each would be another one.
SELECT queryid::text, sum(calls)::float8, sum(total_exec_time)::float8 / 1000
FROM {view}
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND queryid IS NOT NULL
  AND query ~* '^(\s|--[^\n]*\n|/\*.*?\*/)*(select|insert|update|delete|merge|with)\M'
GROUP BY queryid
ORDER BY 3 DESC, 1
LIMIT {most}
