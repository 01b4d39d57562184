SELECT host, wave, generation, state, deadline, reason, entered_at, seen_at
FROM rollout_hosts
WHERE rollout_id = %(id)s
ORDER BY wave, host
