-- Of one rollout, or of all those that are ours; dropped: also what is not there any more.
SELECT
    i.rollout_id, i.no, i.database, i.name, i.definition, i.state, i.ours, r.state, r.token,
    EXISTS (SELECT FROM rollouts AS u WHERE u.undoes = r.id)
FROM rollout_indexes AS i
JOIN rollouts AS r ON r.id = i.rollout_id
WHERE i.rollout_id = %(id)s OR (%(id)s::bigint IS NULL AND i.ours AND (i.state <> 'dropped' OR %(dropped)s))
ORDER BY i.rollout_id, i.no
