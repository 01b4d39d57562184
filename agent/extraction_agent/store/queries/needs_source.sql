-- Whether anything is left to be copied.
SELECT EXISTS (
    SELECT
    FROM extractions AS e
    JOIN extraction_chunks AS c ON c.extraction_id = e.id
    WHERE e.id = %(extraction_id)s AND e.status IN ('pending', 'running') AND c.state <> 'done'
)
