-- Whether an index is being built beside writers in this database; of other roles' builds the kind is not told.
SELECT EXISTS (
    SELECT FROM pg_stat_progress_create_index
    WHERE datname = current_database() AND coalesce(command, 'CONCURRENTLY') LIKE '%CONCURRENTLY'
)
