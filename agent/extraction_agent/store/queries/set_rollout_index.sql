UPDATE rollout_indexes SET state = %(state)s WHERE rollout_id = %(id)s AND no = %(no)s AND ours
