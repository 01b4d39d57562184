"""Whatever a client sends: it is told what to do, nothing breaks, nothing is kept, no secret is logged."""

import gzip
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from agent.api.served import PATIENCE, Response, Served, begin
from extraction_agent import deadlines
from support import Database

New = Callable[..., dict[str, Any]]
CONFIGS = "/api/v1/configs"


@pytest.mark.parametrize(
    ("raw", "status", "says"),
    [
        (b"", 400, "not JSON"),
        (b"{", 400, "not JSON"),
        (b'{"name": "a",}', 400, "not JSON"),
        (b"\xff\xfe", 400, "not JSON"),
        (b'{"name": "\\ud800"}', 400, "not JSON"),
        (b"[" * 500_000, 400, "not JSON"),
        (b"null", 422, "should be an object"),
        (b"[]", 422, "should be an object"),
        (b'"geheim"', 422, "should be an object"),
        (b"{}", 422, "field required"),
    ],
)
def test_a_body_that_is_no_object(served: Served, raw: bytes, status: int, says: str) -> None:
    refused = served.ask("POST", CONFIGS, raw=raw)
    assert refused.status == status, refused.text
    assert says in refused.detail
    assert "geheim" not in refused.text


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"nmae": "x"}, "unknown key nmae: did you mean name?"),
        ({"password": "geheim"}, "unknown key password"),
        ({"name": 7}, "name: input should be a valid string"),
        ({"name": "a b"}, "name: string should match pattern"),
        ({"name": "a\nb"}, "name: string should match pattern"),
        ({"name": "x" * 64}, "name: string should match pattern"),
        ({"secret": "../etc/geheim"}, "secret: string should match pattern"),
        ({"source_url": None}, "source_url: input should be a valid string"),
        ({"source_url": "postgresql://h/" + "x" * 2000}, "at most 2000 characters"),
        ({"definition": []}, "definition: input should be an object"),
        ({"definition": {}}, "say what to extract: either a table or a query"),
        ({"definition": {"table": "a", "query": "b"}}, "either a table or a query"),
        ({"definition": {"table": ""}}, "definition.table: string should have at least 1 character"),
        ({"definition": {"table": "a\0b"}}, "definition.table: string should match pattern"),
        ({"definition": {"table": "a", "parameters": {"x": "y"}}}, "parameters belong to a query"),
        ({"definition": {"table": "a", "chunk_row": 1}}, "unknown key definition.chunk_row: did you mean chunk_rows?"),
        ({"definition": {"table": "a", "chunk_rows": "1"}}, "definition.chunk_rows: input should be a valid integer"),
        ({"definition": {"table": "a", "chunk_rows": 0}}, "greater than or equal to 1"),
        ({"definition": {"table": "a", "chunk_rows": 10**30}}, "definition.chunk_rows"),
        ({"definition": {"table": "a", "chunk_rows": True}}, "definition.chunk_rows: input should be a valid integer"),
        ({"definition": {"table": "a", "overlap_seconds": float("nan")}}, "finite number"),
        ({"definition": {"table": "a", "overlap_seconds": 1e300}}, "less than or equal to"),
        ({"definition": {"table": "a", "format": "xml"}}, "input should be 'json' or 'typed'"),
        ({"definition": {"table": "a", "columns": "id"}}, "definition.columns: input should be a valid array"),
        ({"definition": {"table": "a", "columns": [1] * 100_000}}, "definition.columns.0"),
    ],
)
def test_a_config_that_is_none(
    served: Served, new_config: New, store: Database, lines: list[str], changes: dict[str, Any], says: str
) -> None:
    refused = served.ask("POST", CONFIGS, {**new_config(), **changes})
    assert refused.status == 422, refused.text
    assert says in refused.detail
    assert len(refused.text) < 3000
    assert "geheim" not in refused.text
    assert not [line for line in lines if "geheim" in line]
    assert store.value("SELECT count(*) FROM extraction_configs") == 0


@pytest.mark.parametrize(
    "number", ["x", "0", "-1", "1.0", "+1", "1e3", "0x1", "9223372036854775808", "1" * 400, "%20", "'"]
)
def test_an_id_that_is_none(served: Served, number: str) -> None:
    for path in (f"{CONFIGS}/{number}", f"/api/v1/extractions/{number}", f"/api/v1/extractions/{number}/records"):
        refused = served.ask("GET", path)
        assert refused.status == 422, refused.text
        assert "The address:" in refused.detail


def test_an_id_that_does_not_exist(served: Served) -> None:
    for path in (f"{CONFIGS}/77", "/api/v1/extractions/77", "/api/v1/extractions/9223372036854775807/records"):
        refused = served.ask("GET", path)
        assert refused.status == 404
        assert "There is no" in refused.detail


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("limit=0", "limit: input should be greater than or equal to 1"),
        ("limit=1000000000", "limit: input should be less than or equal to"),
        ("limit=-5", "limit"),
        ("limit=1.5", "limit: input should be a valid integer"),
        ("limit=", "limit: input should be a valid integer"),
        ("limit=1&limit=2", "given twice"),
        ("limt=1", "unknown key limt: did you mean limit?"),
        ("after=x", "after"),
        ("after=%00", "after"),
        ("after=1%20OR%201=1", "after"),
    ],
)
def test_a_page_that_is_none(served: Served, query: str, says: str) -> None:
    for path in (CONFIGS, "/api/v1/extractions", "/api/v1/audit", "/api/v1/extractions/1/records"):
        refused = served.ask("GET", f"{path}?{query}")
        assert refused.status == 422, refused.text
        assert says in refused.detail


def test_a_page_is_no_longer_than_the_configuration_allows(store: Database, new_config: New) -> None:
    with Served(store.url, api={"page_limit": 2}) as served:
        for number in range(3):
            served.ask("POST", CONFIGS, new_config(f"c{number}"))
        page = served.ask("GET", f"{CONFIGS}?limit=1000").json()
        assert len(page["configs"]) == 2
        assert page["next"] is not None


def test_a_query_that_is_no_utf_8_or_holds_nul(served: Served) -> None:
    for query in ("object=%ff%fe", "object=%ed%a0%80"):
        assert served.ask("GET", f"/api/v1/audit?{query}").status in {200, 422}
    assert served.ask("GET", "/api/v1/audit?object=a%00b").status == 422
    assert served.ask("GET", "/api/v1/audit?%ff=1").status == 422


def test_parameters_where_there_are_none(served: Served) -> None:
    refused = served.ask("GET", "/api/v1/tuning?profile=x")
    assert refused.status == 422
    assert "takes no parameters" in refused.detail


@pytest.mark.parametrize("key", [None, "", "a b", "x" * 201, "ü"])
def test_an_idempotency_key_that_is_none(served: Served, key: str | None) -> None:
    headers = {} if key is None else {"Idempotency-Key": key}
    refused = served.ask("POST", "/api/v1/extractions", {"config_id": 1}, headers=headers)
    assert refused.status == 400, refused.text
    assert "uuidgen" in refused.detail


def test_addresses_and_methods_there_are_not(served: Served) -> None:
    for path in (
        "/",
        "/api/v1/config",
        "/api/v1/configs/",
        "/api/v1/../../etc/passwd",
        "/%2e%2e/etc/passwd",
        "/" + "x" * 4000,
    ):
        refused = served.ask("GET", path)
        assert refused.status == 404, refused.text
        assert "/openapi.json" in refused.detail
    for method in ("PATCH", "TRACE", "OPTIONS", "PROPFIND", "HEAD"):
        refused = served.ask(method, CONFIGS)
        assert refused.status == 405
        assert refused.headers["Allow"] == "GET, POST"
        assert method == "HEAD" or "allowed are GET, POST" in refused.detail


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": ";;;"},
    ],
)
def test_a_body_of_another_kind(served: Served, headers: dict[str, str]) -> None:
    raw = gzip.compress(b"{}") if "Content-Encoding" in headers else b"{}"
    refused = served.ask("POST", CONFIGS, raw=raw, headers=headers)
    assert refused.status == 415, refused.text
    assert "Content-Type: application/json" in refused.detail


def answer_to(served: Served, head: str, parts: Iterator[bytes], patience: float = PATIENCE) -> str:
    """What comes back on a connection on which this is sent."""
    with closing(socket.create_connection(("127.0.0.1", served.port), patience)) as connection:
        connection.sendall(f"{head}\r\nHost: x\r\nAuthorization: Bearer {served.token}\r\n".encode())
        stop = threading.Event()

        def send() -> None:
            try:
                for part in parts:
                    if stop.is_set():
                        return
                    connection.sendall(part)
            except OSError:
                pass

        sender = threading.Thread(target=send)
        sender.start()
        received = b""
        try:
            while part := connection.recv(65536):
                received += part
        except OSError:  # reset, once it had said why
            pass
        stop.set()
    sender.join(PATIENCE)
    assert not sender.is_alive()
    return received.decode()


@pytest.mark.parametrize("framing", ["told", "chunked"])
def test_a_body_of_100_mb(served: Served, framing: str) -> None:
    size, block = 100 * 1024 * 1024, b"x" * 65536

    def body() -> Iterator[bytes]:
        told = f"Content-Length: {size}" if framing == "told" else "Transfer-Encoding: chunked"
        yield f"Content-Type: application/json\r\n{told}\r\n\r\n".encode()
        for _ in range(size // len(block)):
            yield block if framing == "told" else b"10000\r\n" + block + b"\r\n"

    told = answer_to(served, f"POST {CONFIGS} HTTP/1.1", body())
    assert told.startswith("HTTP/1.1 413")
    assert "The body is longer than 1,048,576 bytes" in told
    assert served.ask("GET", CONFIGS).status == 200


def test_a_body_that_comes_slowly(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "BODY", 0.5)

    def body() -> Iterator[bytes]:
        yield b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
        for _ in range(1000):
            yield b" "
            time.sleep(0.1)

    begun = time.monotonic()
    told = answer_to(served, f"POST {CONFIGS} HTTP/1.1", body())
    assert told.startswith("HTTP/1.1 408")
    assert "did not come within 0.5 s" in told
    assert time.monotonic() - begun < PATIENCE


def test_a_head_that_comes_slowly(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "KEEP_ALIVE", 0.5)
    with Served(store.url) as served:
        sent = []

        def head() -> Iterator[bytes]:
            for number in range(1000):
                sent.append(number)
                yield f"X-{number}: 1\r\n".encode()
                time.sleep(0.05)

        assert answer_to(served, f"GET {CONFIGS} HTTP/1.1", head()) == ""
        assert len(sent) < 500, "it was let go on"


def test_an_answer_that_nobody_reads(store: Database, monkeypatch: pytest.MonkeyPatch, new_config: New) -> None:
    monkeypatch.setattr(deadlines, "UNREAD", 1.0)
    with Served(store.url) as served:
        body = new_config(table=None, query="SELECT 1 -- " + "x" * 90_000)
        for number in range(20):
            assert served.ask("POST", CONFIGS, {**body, "name": f"c{number}"}).status == 201
        with closing(socket.socket()) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", served.port))
            request = f"GET {CONFIGS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served.token}\r\n\r\n"
            for _ in range(20):
                client.sendall(request.encode())
            deadline = time.monotonic() + PATIENCE
            while True:
                try:
                    client.send(b"G")
                except OSError:
                    break  # it was let go of
                assert time.monotonic() < deadline, "it may keep us waiting for ever"
                time.sleep(0.1)


SQL = '\'; DROP TABLE extractions; -- \\ %s {} $1 "" /* ☃'


def test_sql_in_every_string(served: Served, items: Database, store: Database) -> None:
    fields = ("table", "columns", "exclude", "key", "watermark")
    for number, name in enumerate(fields):
        definition = {"table": "item", name: SQL if name in {"table", "watermark"} else [SQL]}
        body = {"name": f"c{number}", "source_url": items.url, "definition": definition}
        made = served.ask("POST", CONFIGS, body)
        assert made.status == 201, made.text
        assert served.ask("GET", made.headers["Location"]).json()["definition"] == made.json()["definition"]
        begun = begin(served, made.json()["id"], name)
        assert begun.status == 409, f"{name}: {begun.text}"
    query = {"query": "SELECT %(x)s::text AS x", "parameters": {"x": SQL}}
    made = served.ask("POST", CONFIGS, {"name": "query", "source_url": items.url, "definition": query})
    begun = begin(served, made.json()["id"], "q")
    assert begun.status == 201, begun.text
    quoted = "".join(f"%{byte:02X}" for byte in SQL.encode())
    assert served.ask("GET", f"/api/v1/audit?object={quoted}").json() == {"entries": [], "next": None}
    for path in (f"{CONFIGS}?after={quoted}", f"/api/v1/extractions/1/records?after={quoted}"):
        assert served.ask("GET", path).status == 422
    assert served.ask("GET", f"{CONFIGS}/{quoted}").status == 404  # braces and slashes are of no address
    assert served.ask("GET", CONFIGS, token=SQL.encode().decode("latin-1")).status == 401
    assert served.ask("GET", CONFIGS, headers={"X-Request-ID": "'; DROP TABLE x"}).status == 200
    assert store.value("SELECT count(*) FROM extractions") == 1


def test_a_request_id_goes_through_logs_and_audit_and_out(
    served: Served, new_config: New, store: Database, lines: list[str]
) -> None:
    made = served.ask("POST", CONFIGS, new_config(), headers={"X-Request-ID": "mine-1"})
    assert made.headers["X-Request-ID"] == "mine-1"
    assert store.value("SELECT request FROM audit_log WHERE action = 'config.created'") == "mine-1"
    logged = [json.loads(line) for line in lines]
    own = [one for one in logged if one.get("request_id") == "mine-1" and "POST /api/v1/configs by" in one["message"]]
    assert len(own) == 1
    assert "token everything: 201" in own[0]["message"]
    other = served.ask("GET", CONFIGS, headers={"X-Request-ID": "not an id\tx"})
    assert len(other.headers["X-Request-ID"]) == 32
    assert not [line for line in lines if served.token in line]


def test_what_nobody_foresaw_is_told_without_its_words(
    served: Served, monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    from extraction_agent.store.store import Store

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError(chr(103) + "eheim")  # the line itself is shown

    monkeypatch.setattr(Store, "configs", broken)
    told = served.ask("GET", CONFIGS, headers={"X-Request-ID": "mine-2"})
    assert told.status == 500
    assert "mine-2" in told.detail
    assert "geheim" not in told.text
    logged = [line for line in lines if "RuntimeError" in line]
    assert len(logged) == 1
    assert "mine-2" in logged[0]
    assert "configs.py" in logged[0]
    assert not [line for line in lines if "geheim" in line]


def test_what_is_no_http(served: Served, lines: list[str]) -> None:
    for sent in (b"\x16\x03\x01\x02\x00", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nX: geheim\x00\r\n\r\n"):
        with closing(socket.create_connection(("127.0.0.1", served.port), PATIENCE)) as connection:
            connection.sendall(sent + b"\r\n\r\n")
            with http.client.HTTPResponse(connection) as answer:
                answer.begin()
                told = Response(answer.status, dict(answer.getheaders()), answer.read().decode())
            assert told.status == 400
            assert told.detail.startswith("This is no HTTP request: ")
            assert connection.recv(1) == b"", "and the connection ends"
    with closing(http.client.HTTPConnection("127.0.0.1", served.port, timeout=PATIENCE)) as long:
        long.request("GET", CONFIGS, headers={"X-Long": "x" * 20_000})
        assert long.getresponse().status == 400
    assert served.ask("GET", CONFIGS).status == 200
    assert not [line for line in lines if "geheim" in line or "Traceback" in line or '"error"' in line]
