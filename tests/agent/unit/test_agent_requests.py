"""What the command line makes of agents' URLs and tokens, and of servers that are no agents or behave oddly."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from extraction_agent import deadlines, errors
from extraction_agent.interfaces.cli.http import Http, Token
from extraction_agent.interfaces.cli.records import _apart

TOKEN = Token("xtr_topsecret", "EXTRACTION_TOKEN")
Behaviour = Callable[[socket.socket], None]


class Server:
    """Reads the head of each request, then does with the connection what the test says."""

    def __init__(self, *behaviours: Behaviour) -> None:
        """behaviours: of one connection after the other; the last goes on."""
        self.heads: list[str] = []
        self._behaviours = list(behaviours)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._socket.close()
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += connection.recv(65536)
                self.heads.append(head.decode())
                behave = self._behaviours.pop(0) if len(self._behaviours) > 1 else self._behaviours[0]
                behave(connection)


def answers(status: str, content: str = "", media_type: str = "application/json", *headers: str) -> Behaviour:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {media_type}", f"Content-Length: {len(content.encode())}", *headers]
    return lambda connection: connection.sendall(("\r\n".join(lines) + f"\r\n\r\n{content}").encode())


def problem(status: str, detail: str, *headers: str) -> Behaviour:
    content = f'{{"type":"about:blank","title":"x","status":0,"detail":"{detail}","request_id":"r"}}'
    return answers(status, content, "application/problem+json", *headers)


def drips(connection: socket.socket) -> None:
    """An answer that never ends, a letter now and then: no single wait of its reader is long."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[")
    try:
        for _ in range(600):
            time.sleep(0.05)
            connection.sendall(b" ")
    except OSError:
        return


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Makes servers that are closed after the test."""
    made: list[Server] = []

    def make(*behaviours: Behaviour) -> Server:
        made.append(Server(*behaviours))
        return made[-1]

    yield make
    for server in made:
        server.close()


Serve = Callable[..., Server]


@pytest.mark.parametrize(
    ("behaviour", "kind", "says"),
    [
        (problem("401 Unauthorized", "Not known."), errors.Forbidden, "Not known. Asked was http://127.0.0.1:"),
        (problem("403 Forbidden", "No."), errors.Forbidden, "with the token of EXTRACTION_TOKEN."),
        (problem("404 Not Found", "There is none."), errors.NotFound, "^There is none.$"),
        (problem("409 Conflict", "It runs."), errors.Conflict, "^It runs.$"),
        (problem("422 Unprocessable Content", "Wrong."), errors.UsageError, "^Wrong.$"),
        (problem("424 Failed Dependency", "It is down."), errors.SourceError, "^It is down.$"),
        (problem("500 Internal Server Error", "Unknown."), errors.ExtractionError, "^Unknown.$"),
        (problem("503 Service Unavailable", "The store is away."), errors.AgentUnavailable, "^The store is away.$"),
        (problem("400 Bad Request", r"\u001b[2Jred\nline"), errors.UsageError, r"^ \[2Jred line$"),
        (answers("200 OK", "<html>", "text/html"), errors.UsageError, "not answer as an agent does .200 OK, text/html"),
        (answers("404 Not Found", "<html>", "text/html"), errors.UsageError, "check the URL"),
        (answers("502 Bad Gateway", "<html>", "text/html"), errors.AgentUnavailable, "a server before it answers 502"),
        (answers("500 x", "nonsense", "application/problem+json"), errors.UsageError, "not answer as an agent does"),
        (answers("207 x", "", "text/plain"), errors.UsageError, "not answer as an agent does"),
        (lambda connection: connection.sendall(b"+PONG\r\n"), errors.AgentUnavailable, "broke off without an answer"),
        (lambda _: None, errors.AgentUnavailable, "does it speak TLS"),
        (answers("302 Found", "", "text/html", "Location: https://x/"), errors.UsageError, "redirect to https://x/"),
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_told(
    serve: Serve, behaviour: Behaviour, kind: type[errors.ExtractionError], says: str
) -> None:
    server = serve(behaviour)
    with pytest.raises(kind, match=says) as told:
        Http(server.url, TOKEN).ask("GET", "/x")
    assert type(told.value) is kind
    assert TOKEN.text not in str(told.value)
    assert [head.split("\r\n")[0] for head in server.heads] == ["GET /x HTTP/1.1"]


def test_a_redirect_takes_no_token_along(serve: Serve) -> None:
    other = serve(answers("200 OK", "{}"))
    first = serve(answers("307 Temporary Redirect", "", "text/html", f"Location: {other.url}/"))
    with pytest.raises(errors.UsageError, match="redirect"):
        Http(first.url, TOKEN).ask("GET", "/")
    assert (len(first.heads), len(other.heads)) == (1, 0)
    assert f"Authorization: Bearer {TOKEN.text}" in first.heads[0]


@pytest.mark.parametrize("behaviour", [lambda _: time.sleep(2), drips], ids=["silence", "drips"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_answer_is_waited_for_longer_than_the_deadline(serve: Serve, behaviour: Behaviour, method: str) -> None:
    server = serve(behaviour)
    begun = time.monotonic()
    with pytest.raises(errors.AgentUnavailable, match=r"did not answer within 0.5 s") as told:
        Http(server.url, TOKEN).ask(method, "/", seconds=0.5)
    assert 0.5 <= time.monotonic() - begun < 1.9
    assert ("whether it did what was asked is not known" in str(told.value).lower()) is (method == "POST")


def test_an_agent_without_room_is_asked_again_when_it_says(serve: Serve) -> None:
    server = serve(problem("429 Too Many Requests", "Full.", "Retry-After: 1"), answers("200 OK", "[1]"))
    begun = time.monotonic()
    assert Http(server.url, TOKEN).ask("POST", "/", {"a": 1}) == "[1]"
    assert len(server.heads) == 2
    assert time.monotonic() - begun >= 1


def test_an_agent_without_room_is_not_waited_for_for_ever(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "AGENT_BUSY", 1.5)
    server = serve(problem("429 Too Many Requests", "Full.", "Retry-After: 1"))
    with pytest.raises(errors.AgentUnavailable, match=r"^Full\.$"):
        Http(server.url, TOKEN).ask("GET", "/")
    assert len(server.heads) == 2
    patient = serve(problem("429 Too Many Requests", "Full.", "Retry-After: 86400"))
    begun = time.monotonic()
    with pytest.raises(errors.AgentUnavailable):
        Http(patient.url, TOKEN).ask("GET", "/")
    assert time.monotonic() - begun < 1


@pytest.mark.parametrize(
    "url",
    ["agent", "ftp://agent", "http://", "http://u:topsecret@127.0.0.1", "http://127.0.0.1?x=1", "http://[::1",
     "http://127.0.0.1:99999", "http://127.0.0.1/ä", "http://127.0.0.1#x", "http://127.0.0.1/\r\nX: y"],
)  # fmt: skip
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(errors.UsageError, match="An agent's URL is https://HOST:PORT") as refused:
        Http(url, TOKEN)
    assert "topsecret" not in str(refused.value)


def test_a_token_goes_in_clear_to_this_host_alone() -> None:
    for host in ("127.0.0.1", "localhost", "[::1]", "127.1.2.3"):
        Http(f"http://{host}:1", TOKEN)
    for host in ("db1", "192.0.2.7", "localhost.example", "[2001:db8::1]"):
        with pytest.raises(errors.UsageError, match="in clear: give the https:// URL"):
            Http(f"http://{host}:1", TOKEN)
        Http(f"http://{host}:1", TOKEN, plain=True)
        Http(f"https://{host}:1", TOKEN)


def test_who_cannot_be_reached_is_named() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(errors.AgentUnavailable, match=f"http://127.0.0.1:{port} cannot be reached: nothing listens"):
        Http(f"http://127.0.0.1:{port}", TOKEN).ask("GET", "/")
    for host in ("no-such-host.invalid", "x" * 70 + ".example"):
        with pytest.raises(errors.AgentUnavailable, match="nobody knows the host's name"):
            Http(f"https://{host}", TOKEN).ask("GET", "/")


def test_a_ca_file_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(errors.UsageError, match="cannot be read"):
        Http("https://db1", TOKEN, tmp_path / "none.pem")
    (tmp_path / "some.pem").write_text("no certificate", encoding="utf-8")
    with pytest.raises(errors.UsageError, match="holds no certificate"):
        Http("https://db1", TOKEN, tmp_path / "some.pem")


def test_a_token_is_not_shown_by_accident() -> None:
    assert TOKEN.text not in repr(TOKEN)


def test_records_are_taken_apart_letter_by_letter() -> None:
    page = '{"records":[{"a": [1.10,{"b":"],\\"}\\\\"}]},\n-0.0,"x,y",null,[]],"next":"1-2-3"}'
    assert _apart(page) == (['{"a": [1.10,{"b":"],\\"}\\\\"}]}', " -0.0", '"x,y"', "null", "[]"], "1-2-3")
    assert _apart('{"records":[],"next":null}') == ([], None)
    for broken in ("{}", '{"records":[1,[2]'):
        with pytest.raises(errors.ExtractionError, match="page of records"):
            _apart(broken)
