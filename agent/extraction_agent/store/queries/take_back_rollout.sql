SELECT take_back_rollout(%(id)s, %(because)s, %(host)s, %(profile)s, %(settings)s)
