SELECT state, generation FROM rollout_hosts WHERE rollout_id = %(id)s AND host = %(host)s FOR UPDATE
