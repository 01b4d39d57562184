SELECT extract(epoch FROM min(try_at) - %(now)s)::float8 FROM extraction_schedules
