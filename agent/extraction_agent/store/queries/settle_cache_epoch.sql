UPDATE config_cache SET settled = true WHERE epoch = %(epoch)s::uuid AND NOT settled
