SELECT FROM rollouts WHERE id = %(id)s FOR UPDATE
