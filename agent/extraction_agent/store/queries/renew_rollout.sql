UPDATE rollouts
SET lease_until = clock_timestamp() + make_interval(secs => lease_seconds),
    renewals = renewals + 1,
    wave = coalesce(%(wave)s, wave)
WHERE id = %(id)s AND token = %(token)s AND state = 'running' AND lease_until > clock_timestamp()
