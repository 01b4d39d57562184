SELECT id FROM rollouts WHERE undoes = %(id)s
