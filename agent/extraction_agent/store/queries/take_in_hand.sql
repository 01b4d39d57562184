-- By the one who has the row's lock, for the rest of the transaction: so that a cancellation can find and end it.
SELECT pg_advisory_xact_lock(hashtextextended('extraction in hand', %(extraction_id)s))
