-- The row is locked until the change commits, even if no cache is in use: else an agent could put one to use meanwhile,
-- fill it with what was before, and nobody would evict that. Settled as before where there is nothing to outlast.
UPDATE config_cache SET epoch = gen_random_uuid(), server = NULL, settled = settled AND server IS NULL
