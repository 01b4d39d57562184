SELECT data::text FROM recovered
