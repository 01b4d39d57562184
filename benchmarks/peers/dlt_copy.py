"""Copy the table by dlt: connectorx reads, CSV files in between. Run by the peers' Python."""

import os
import sys
import tempfile

os.environ.update(
    RUNTIME__DLTHUB_TELEMETRY="false",
    RUNTIME__LOG_LEVEL="ERROR",
    DATA_WRITER__DISABLE_COMPRESSION="true",
)
import dlt  # type: ignore[import-not-found]  # installed for the peers only
from dlt.destinations import postgres  # type: ignore[import-not-found]  # installed for the peers only
from dlt.sources.sql_database import sql_table  # type: ignore[import-not-found]  # installed for the peers only

source_url, target_url = (url.replace("postgres@", "postgres:any@") for url in sys.argv[1:])  # it insists on a password
kind, rest = source_url.split("://", 1)
driver = {"postgresql": "postgresql+psycopg2", "mysql": "mysql+pymysql"}[kind]
with tempfile.TemporaryDirectory() as folder:
    pipeline = dlt.pipeline(
        "bench", destination=postgres(target_url), dataset_name="bench", pipelines_dir=folder, progress=None
    )
    rows = sql_table(
        f"{driver}://{rest}",
        table="item",
        backend="connectorx",
        reflection_level="full_with_precision",
    )
    done = pipeline.run(rows, write_disposition="replace", loader_file_format="csv")
    done.raise_on_failed_jobs()
