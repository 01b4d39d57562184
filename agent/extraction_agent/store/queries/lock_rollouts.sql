-- One begins at a time, so that tokens grow in the order in which rollouts do.
SELECT pg_advisory_xact_lock(hashtext('extraction_rollouts'))
