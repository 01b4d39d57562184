-- No row: somebody else has changed it meanwhile.
UPDATE config_cache SET epoch = gen_random_uuid(), server = %(server)s, settled = false
WHERE epoch = %(epoch)s::uuid
RETURNING epoch
