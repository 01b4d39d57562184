-- A table or view by name, which SQLite compares without case.
SELECT name, type, coalesce(sql, '') FROM sqlite_master
WHERE type IN ('table', 'view') AND name = :name COLLATE NOCASE
