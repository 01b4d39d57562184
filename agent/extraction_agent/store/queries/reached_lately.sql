-- Whether anybody has begun or done one of its chunks lately, or is at one: then its source can be reached.
SELECT EXISTS (
    SELECT
    FROM extraction_chunks AS c
    WHERE c.extraction_id = %(extraction_id)s
      AND (
          greatest(c.started_at, c.finished_at) > clock_timestamp() - make_interval(secs => %(seconds)s)
          OR c.state = 'running' AND EXISTS (
              SELECT FROM pg_stat_activity AS a
              WHERE a.pid = c.backend_pid AND a.backend_start = c.backend_start
          )
      )
)
