-- Of the latest of the wave only: one that was judged again since has had its answer.
UPDATE rollout_verdicts
SET overridden_by = %(who)s, overridden_because = %(reason)s
WHERE id = (SELECT max(id) FROM rollout_verdicts WHERE rollout_id = %(id)s AND wave = %(wave)s)
    AND verdict = 'INCONCLUSIVE'
