SELECT wave, verdict, evidence, judged_at, overridden_by, overridden_because
FROM rollout_verdicts
WHERE rollout_id = %(id)s
ORDER BY wave, id
