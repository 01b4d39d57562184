-- One that is wanted again, after a controller was lost between two statements, is as it was.
INSERT INTO rollout_indexes (rollout_id, no, database, name, definition, ours)
SELECT
    %(id)s, coalesce(max(no), 0) + 1, %(database)s, %(name)s, %(definition)s, %(ours)s
FROM rollout_indexes
WHERE rollout_id = %(id)s
ON CONFLICT (rollout_id, database, name) DO NOTHING
