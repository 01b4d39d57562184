"""Copy the table by ADBC: read as Arrow record batches, written by `adbc_ingest`. Run by the peers' Python."""

import sys

import adbc_driver_postgresql.dbapi as adbc  # type: ignore[import-not-found]  # installed for the peers only

source_url, target_url = sys.argv[1:]
with adbc.connect(source_url) as source, adbc.connect(target_url) as target:
    with source.cursor() as reading, target.cursor() as writing:
        reading.execute("SELECT * FROM item")
        writing.adbc_ingest("item_adbc", reading.fetch_record_batch(), mode="create")
    target.commit()
