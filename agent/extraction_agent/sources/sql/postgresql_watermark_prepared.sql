-- A prepared transaction belongs to no session, and nothing says when it began.
SELECT EXISTS (SELECT FROM pg_prepared_xacts WHERE database = current_database())
