-- Of one rollout, or of all those that are ours and still there.
SELECT i.rollout_id, i.no, i.database, i.name, i.definition, i.state, i.ours, r.state
FROM rollout_indexes AS i
JOIN rollouts AS r ON r.id = i.rollout_id
WHERE i.rollout_id = %(id)s OR (%(id)s::bigint IS NULL AND i.ours AND i.state <> 'dropped')
ORDER BY i.rollout_id, i.no
