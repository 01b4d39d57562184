SELECT pg_advisory_xact_lock(hashtext('extraction_schema'))
