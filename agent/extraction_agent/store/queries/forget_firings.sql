DELETE FROM extraction_firings
WHERE config_id = %(config_id)s
  AND due_at < (
      SELECT min(due_at)
      FROM (
          SELECT due_at FROM extraction_firings WHERE config_id = %(config_id)s ORDER BY due_at DESC LIMIT %(keep)s
      ) AS newest
  )
