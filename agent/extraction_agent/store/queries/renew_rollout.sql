-- A wave that was begun stays begun: it is not committed without its verdict.
UPDATE rollouts
SET lease_until = clock_timestamp() + make_interval(secs => lease_seconds),
    renewals = renewals + 1,
    wave = greatest(wave, %(wave)s)
WHERE id = %(id)s AND token = %(token)s AND state = 'running' AND lease_until > clock_timestamp()
