"""A proof that holds, and differences planted behind the manifest's back that it must name."""

import json
import random
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg import sql as q
from typer.testing import CliRunner

from extraction_agent import errors, sql
from extraction_agent.interfaces.cli.main import app
from extraction_agent.model import Consistency, Definition, Format, Status
from extraction_agent.pipeline.verify import Difference, Report, verify
from extraction_agent.pipeline.verify_source import SourceReport, verify_source
from extraction_agent.sources import open_source
from extraction_agent.store.store import Store
from extraction_agent.waiting import Stop
from support import Database, extract

_CHUNK_ROWS = 40
_ROWS = 12_000
_KINDS = ("changed byte", "swapped values", "missing row", "doubled row")


@pytest.fixture
def stop() -> Iterator[Stop]:
    made = Stop()
    yield made
    made.close()


def _prove(store: Database, number: int, stop: Stop) -> Report:
    with Store(store.url) as opened:
        return verify(opened, opened.extraction(number), stop)


def _prove_source(store: Database, number: int, source: Database, stop: Stop) -> tuple[Report, SourceReport]:
    with Store(store.url) as opened, closing(open_source(source.url).session(None)) as session:
        extraction = opened.extraction(number)
        report = verify(opened, extraction, stop)
        return report, verify_source(opened, extraction, session, report.differences, stop, "source")


def _items(source: Database, rows: int = _ROWS) -> None:
    with psycopg.connect(source.url, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE item AS SELECT n AS id, 'item ' || n AS name, n * 1.5 AS price, now() AS at, "
            "CASE WHEN n %% 3 > 0 THEN 'note ' || n END AS note FROM generate_series(1, %s::int) AS n",
            [rows],
        )
    source.run("ALTER TABLE item ADD PRIMARY KEY (id)", "ANALYZE item")


_ID = {Format.TYPED: "id", Format.JSON: "(data->>'id')::int"}
_CHANGE = {
    Format.TYPED: "UPDATE {part} SET name = overlay(name PLACING 'x' FROM 1) WHERE id = %(first)s",
    Format.JSON: "UPDATE {part} SET data = replace(data::text, 'item', 'itex')::json WHERE {id} = %(first)s",
}
_SWAP = {
    Format.TYPED: "UPDATE {part} AS p SET name = o.name FROM {part} AS o "
    "WHERE (p.id, o.id) IN ((%(first)s, %(second)s), (%(second)s, %(first)s))",
    Format.JSON: "UPDATE {part} AS p SET data = replace(p.data::text, (p.data->'name')::text, (o.data->'name')::text)"
    "::json FROM {part} AS o WHERE ((p.data->>'id')::int, (o.data->>'id')::int) "
    "IN ((%(first)s, %(second)s), (%(second)s, %(first)s))",
}
_DELETE = "DELETE FROM {part} WHERE {id} = %(first)s"
_DOUBLE = "INSERT INTO {part} SELECT * FROM {part} WHERE {id} = %(first)s"


class _Planter:
    """Changes stored rows without telling the manifest."""

    def __init__(self, store: Database, number: int) -> None:
        self._store = store
        with Store(store.url) as opened:
            extraction = opened.extraction(number)
            self.chunks = [chunk.no for chunk in opened.chunks(number)]
        assert extraction.part is not None
        self._format = extraction.plan.format
        self._parts = {
            "part": sql.trusted(extraction.part),
            "chunk": q.Identifier(self._format.chunk_column),
            "id": sql.trusted(_ID[self._format]),
        }

    def plant(self, kind: str, chunk_no: int) -> set[int]:
        """Returns the ids of the rows in the store that are not as they were sent."""
        query = q.SQL("SELECT {id} FROM {part} WHERE {chunk} = %(chunk_no)s ORDER BY random() LIMIT 2")
        ids = self._store.rows(query.format(**self._parts), {"chunk_no": chunk_no})
        first, second = ids[0][0], ids[1][0]
        statement, touched = {
            "changed byte": (_CHANGE[self._format], {first}),
            "swapped values": (_SWAP[self._format], {first, second}),
            "missing row": (_DELETE, set()),
            "doubled row": (_DOUBLE, {first}),
        }[kind]
        with psycopg.connect(self._store.url) as connection:
            done = connection.execute(sql.trusted(statement).format(**self._parts), {"first": first, "second": second})
            assert done.rowcount == max(len(touched), 1)
        return touched


@pytest.mark.parametrize("format_", list(Format))
def test_names_exactly_the_chunks_and_rows_that_differ(
    source: Database, store: Database, stop: Stop, format_: Format
) -> None:
    _items(source)
    number = extract(source.url, store, Definition(table="item", format=format_, chunk_rows=_CHUNK_ROWS))
    assert _prove(store, number, stop).proved
    planter = _Planter(store, number)
    assert len(planter.chunks) > 250
    chosen = random.Random(8).sample(planter.chunks, 100)
    planted = {
        chunk_no: (_KINDS[place % 4], planter.plant(_KINDS[place % 4], chunk_no))
        for place, chunk_no in enumerate(chosen)
    }
    report, at_source = _prove_source(store, number, source, stop)
    assert {found.chunk_no for found in report.differences} == set(chosen)
    assert not report.faults
    for found in report.differences:
        assert found.chunk_no is not None
        kind, ids = planted[found.chunk_no]
        assert {row.record.key["id"] for row in found.rows} == ids
        assert (found.altered, found.missing, found.doubled, found.extra) == {
            "changed byte": (1, 0, 0, 0),
            "swapped values": (2, 0, 0, 0),
            "missing row": (0, 1, 0, 0),
            "doubled row": (0, 0, 1, 0),
        }[kind]
        assert {row.kind for row in found.rows} <= {"altered", "doubled"}
        lost = {record.key["id"] for record in found.at_source}
        if kind == "missing row":
            assert len(lost) == 1
            assert found.expected == found.found + 1
        else:
            assert lost == (set() if kind == "doubled row" else ids)
    assert at_source.changes == []  # the source still has what was sent


def test_an_altered_row_is_shown_as_it_lies_in_the_store(source: Database, store: Database, stop: Stop) -> None:
    _items(source, 500)
    number = extract(source.url, store, Definition(table="item", chunk_rows=100))
    store.run("UPDATE extraction_data SET data = replace(data::text, 'item 77\"', 'item 78\"')::json")
    (found,) = _prove(store, number, stop).differences
    (row,) = found.rows
    assert json.loads(row.record.text)["name"] == "item 78"
    place = {"ctid": row.ctid}
    text = store.value(
        q.SQL("SELECT data::text FROM {} WHERE ctid = %(ctid)s::tid").format(sql.trusted(row.table)), place
    )
    assert text == row.record.text


@pytest.mark.parametrize("format_", list(Format))
def test_small_extractions_that_share_a_table(source: Database, store: Database, stop: Stop, format_: Format) -> None:
    _items(source, 300)
    definition = Definition(table="item", format=format_)
    numbers = [extract(source.url, store, definition) for _ in range(2)]
    table = "extraction_data" if format_ is Format.JSON else "extraction_typed.test"
    parts = {"table": sql.trusted(table), "extraction": q.Identifier(format_.extraction_column)}
    count = q.SQL("SELECT count(*) FROM {table} WHERE {extraction} = %(n)s").format(**parts)
    assert [store.value(count, {"n": number}) for number in numbers] == [300, 300]
    assert all(_prove(store, number, stop).proved for number in numbers)
    move = q.SQL("UPDATE {table} SET {extraction} = %(to)s WHERE {extraction} = %(n)s AND {id} = 7").format(
        **parts, id=sql.trusted(_ID[format_])
    )
    with psycopg.connect(store.url) as connection:
        assert connection.execute(move, {"n": numbers[0], "to": numbers[1]}).rowcount == 1
    first, second = (_prove(store, number, stop).differences[0] for number in numbers)
    assert (first.missing, first.altered, first.extra) == (1, 0, 0)
    assert (second.missing, second.altered, second.doubled) == (0, 0, 1)  # it had a row 7 of the same content


def _one(store: Database, number: int, stop: Stop, statement: str) -> Difference:
    with psycopg.connect(store.url) as connection:
        assert connection.execute(sql.trusted(statement)).rowcount > 0
    (found,) = _prove(store, number, stop).differences
    return found


def test_rows_of_a_chunk_that_the_manifest_does_not_know(source: Database, store: Database, stop: Stop) -> None:
    _items(source, 500)
    number = extract(source.url, store, Definition(table="item", chunk_rows=100))
    insert = "INSERT INTO extraction_data (extraction_id, data, chunk_no) VALUES "
    found = _one(store, number, stop, f"{insert} ({number}, '{{\"id\": 9}}', 4711)")
    assert (found.chunk_no, found.range, found.extra) == (4711, None, 1)
    assert found.rows[0].record.text == '{"id": 9}'
    store.run("DELETE FROM extraction_data WHERE chunk_no = 4711")
    found = _one(store, number, stop, f"{insert} ({number}, '{{\"id\": 9}}', NULL)")
    assert (found.chunk_no, found.extra, found.rows[0].kind) == (None, 1, "extra")


def test_a_part_that_is_gone(source: Database, store: Database, stop: Stop) -> None:
    _items(source, 500)
    number = extract(source.url, store, Definition(table="item", chunk_rows=100))
    store.run("DROP TABLE extraction_parts.e1")
    report = _prove(store, number, stop)
    assert report.faults == ['Its part "extraction_parts"."e1" is gone.']
    assert len(report.differences) == report.chunks
    assert sum(found.missing for found in report.differences) == 500


def test_what_the_source_has_changed_since(source: Database, store: Database, stop: Stop) -> None:
    _items(source, 500)
    number = extract(source.url, store, Definition(table="item", format=Format.TYPED, chunk_rows=100))
    _, unchanged = _prove_source(store, number, source, stop)
    assert unchanged.changes == []
    assert unchanged.rows == 500
    source.run("UPDATE item SET name = 'new' WHERE id = 1", "DELETE FROM item WHERE id = 500")
    report, changed = _prove_source(store, number, source, stop)
    assert report.proved
    first, last = changed.changes
    assert (first.only_there, first.only_here) == (1, 1)
    assert (last.only_there, last.only_here) == (0, 1)


def test_extractions_without_a_proof_are_refused(source: Database, store: Database, stop: Stop) -> None:
    _items(source, 500)
    number = extract(source.url, store, Definition(table="item", consistency=Consistency.CHUNK))
    for status, told in ((Status.FAILED, "resume"), (Status.CANCELLED, "nothing"), (Status.RUNNING, "wait")):
        with psycopg.connect(store.url) as connection:
            connection.execute("UPDATE extractions SET status = %s", [status.value])
        with pytest.raises(errors.UsageError, match=told):
            _prove(store, number, stop)


def test_the_command_names_the_chunks_and_fails(source: Database, store: Database) -> None:
    _items(source, 500)
    number = extract(source.url, store, Definition(table="item", chunk_rows=100))
    arguments = ["verify", str(number), "--store", store.url, "--against-source", "--json"]
    good = CliRunner().invoke(app, arguments)
    assert good.exit_code == 0
    told = json.loads(good.stdout)
    assert (told["proved"], told["rows"], told["chunks_proved"]) == (True, 500, told["chunks"])
    assert told["source"]["chunks_equal"] == told["chunks"]
    store.run("DELETE FROM extraction_data WHERE data->>'id' = '499'")
    bad = CliRunner().invoke(app, arguments)
    assert isinstance(bad.exception, errors.VerificationFailed)
    last = told["chunks"] - 1
    assert f"chunk {last}." in str(bad.exception)
    assert [found["chunk"] for found in json.loads(bad.stdout)["differences"]] == [last]
