SELECT wave, verdict FROM rollout_objections(%(id)s)
