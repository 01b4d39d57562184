UPDATE config_cache SET epoch = gen_random_uuid(), server = NULL, settled = false WHERE server IS NOT NULL
