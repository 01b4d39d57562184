-- Jobs that wait for an agent, and since when the first in their order could have begun.
SELECT
    (SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'),
    coalesce((
        SELECT extract(epoch FROM clock_timestamp() - greatest(first.scheduled_at, max(event.at)))
        FROM (
            SELECT id, scheduled_at
            FROM procrastinate_jobs
            WHERE status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= clock_timestamp())
            ORDER BY priority DESC, id
            LIMIT 1
        ) AS first
        LEFT JOIN procrastinate_events AS event
            ON event.job_id = first.id AND event.type IN ('deferred', 'deferred_for_retry', 'retried')
        GROUP BY first.scheduled_at
    ), 0)::float8
