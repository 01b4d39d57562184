UPDATE rollouts SET paused = %(paused)s WHERE id = %(id)s AND state = 'running'
