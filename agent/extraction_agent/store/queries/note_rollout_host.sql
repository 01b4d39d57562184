INSERT INTO rollout_hosts AS h (rollout_id, host, wave, generation, state, deadline, reason)
SELECT
    id, %(host)s, wave, %(generation)s, %(state)s,
    clock_timestamp() + make_interval(secs => %(seconds)s), %(reason)s
FROM rollouts
WHERE id = %(id)s
ON CONFLICT (rollout_id, host) DO UPDATE
SET generation = excluded.generation, state = excluded.state, deadline = excluded.deadline, reason = excluded.reason,
    wave = CASE WHEN h.state = excluded.state THEN h.wave ELSE excluded.wave END,
    entered_at = CASE WHEN h.state = excluded.state THEN h.entered_at ELSE excluded.entered_at END,
    seen_at = excluded.seen_at
