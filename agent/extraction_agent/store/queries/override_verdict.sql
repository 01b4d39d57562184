-- Of the latest of the wave only: one that was judged again since has had its answer. Nobody answers for a judge that
-- had not seen enough yet.
UPDATE rollout_verdicts
SET overridden_by = %(who)s, overridden_because = %(reason)s
WHERE id = (SELECT max(id) FROM rollout_verdicts WHERE rollout_id = %(id)s AND wave = %(wave)s)
    AND verdict = 'INCONCLUSIVE' AND evidence->'final' IS DISTINCT FROM 'false'::jsonb
