"""The PostgreSQL database that holds configs, extractions, chunks, records and the job queue."""
