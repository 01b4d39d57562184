"""A snapshot stands no longer than allowed, whether the store can be told or not."""

from contextlib import closing
from typing import LiteralString

import pytest
from psycopg.conninfo import conninfo_to_dict

from agent.faults.harness import until
from extraction_agent import errors
from extraction_agent.jobs.control import Control
from extraction_agent.jobs.keeper import Keeper
from extraction_agent.model import Consistency, Definition
from extraction_agent.pipeline.lanes import Lanes
from extraction_agent.pipeline.start import start
from extraction_agent.profiles import Settings
from extraction_agent.sources import open_source
from extraction_agent.store.store import Store
from proxy import Proxy
from support import Database

_STANDS: LiteralString = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_xmin IS NOT NULL "
    "AND application_name = 'extraction-agent source'"
)


def test_it_is_let_go_while_the_store_is_away(source: Database, store: Database) -> None:
    source.run("CREATE TABLE item AS SELECT n AS id FROM generate_series(1, 500) AS n", "ANALYZE item")
    opened, where = open_source(source.url), conninfo_to_dict(store.url)
    definition = Definition(table="item", consistency=Consistency.SNAPSHOT, chunk_rows=1)
    with Store(store.url) as direct:
        begun = start(direct, opened, "old", source.url, None, definition, Settings())
    assert begun.snapshot is not None
    with Proxy(int(str(where["port"]))) as way, closing(Control(way.url(str(where["dbname"])), "test")) as control:
        lanes = Lanes(lambda _: opened, control.open, 1)
        with Store(store.url) as direct:
            lanes.give_back(lanes.take(direct.extraction(begun.extraction_id)))
        assert lanes.extractions() == {begun.extraction_id}
        assert source.value(_STANDS) == 2
        young, old = Keeper(control, lanes), Keeper(control, Lanes(lambda _: opened, control.open, 1))
        young.hold(begun.extraction_id, begun.snapshot, 3600)
        old.hold(begun.extraction_id, begun.snapshot, 0)
        way.refuse()
        with pytest.raises(errors.StoreUnavailable):
            young.keep()
        until(lambda: source.value(_STANDS) == 1)  # the lane at rest is gone, the snapshot is young enough
        with pytest.raises(errors.StoreUnavailable):
            old.keep()
        until(lambda: source.value(_STANDS) == 0)
        assert store.value("SELECT status FROM extractions") == "running"
        way.accept()
        old.keep()
    assert store.rows("SELECT status, error LIKE '%the longest allowed%' FROM extractions") == [("failed", True)]
