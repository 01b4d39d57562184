"""A server that refuses a log-in is understood by its SQLSTATE, whatever language it speaks."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from extraction_agent import errors, postgres
from support import Database

_PASSWORD = ("28P01", 'пользователь "reader" не прошёл проверку подлинности (по паролю)')
_NO_ENTRY = ("28000", 'в pg_hba.conf нет записи для узла "10.0.0.1", пользователя "reader", базы "shop"')
_NO_DATABASE = ("3D000", 'база данных "shop" не существует')
_STARTING = ("57P03", "система баз данных запускается")
_CROWDED = ("53300", "извините, уже слишком много клиентов")
_BROKEN = ("XX000", "внутренняя ошибка")


@contextmanager
def _refusing(state: str, words: str) -> Iterator[str]:
    """The URL of a server that says so to everybody, as PostgreSQL would with lc_messages=ru_RU."""
    fields = {
        "S": "ВАЖНО", "V": "FATAL", "C": state, "M": words, "F": "auth.c", "L": "331", "R": "auth_failed"
    }  # fmt: skip
    body = b"".join(key.encode() + text.encode() + b"\0" for key, text in fields.items()) + b"\0"
    answer = b"E" + struct.pack(">i", len(body) + 4) + body

    def serve(listening: socket.socket) -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:  # closed
                return
            with client:
                size, version = struct.unpack(">ii", client.recv(8, socket.MSG_WAITALL))
                while size == 8:  # asks for TLS, or for GSSAPI
                    client.sendall(b"N")
                    size, version = struct.unpack(">ii", client.recv(8, socket.MSG_WAITALL))
                assert version >> 16 == 3
                client.recv(size - 8, socket.MSG_WAITALL)
                client.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=[listening])
        thread.start()
        try:
            yield f"postgresql://reader@127.0.0.1:{listening.getsockname()[1]}/shop"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(20)


def _met(url: str) -> errors.ExtractionError:
    with pytest.raises(errors.SourceError) as caught, postgres.translated(postgres.SOURCE, "source db"):
        postgres.connect(url, application_name="test")
    return caught.value


@pytest.mark.parametrize(
    ("refusal", "transient", "advice"),
    [
        (_PASSWORD, False, "check the user and the password"),
        (_NO_ENTRY, False, "check the user in the URL"),
        (_NO_DATABASE, False, "check the database and user names"),
        (_STARTING, True, ""),
        (_CROWDED, True, "the server has no connection left"),
        (_BROKEN, True, ""),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
def test_waiting_for_what_may_pass_and_for_nothing_else(refusal: tuple[str, str], transient: bool, advice: str) -> None:
    state, words = refusal
    with _refusing(state, words) as url:
        met = _met(url)
    assert met.transient is transient
    told = str(met)
    assert f"ВАЖНО: {words}" in told, "the server's own words, as without a state"
    assert advice in told
    assert state not in told
    assert "auth.c" not in told


def test_the_last_of_several_hosts_decides() -> None:
    with _refusing(*_STARTING) as first, _refusing(*_PASSWORD) as last:
        hosts = ",".join(url.partition("@")[2].partition("/")[0] for url in (first, last))
        met = _met(f"postgresql://reader@{hosts}/shop")
    assert not met.transient
    assert _STARTING[1] in str(met)


def test_words_of_statements_are_as_ever(source: Database) -> None:
    with (
        postgres.connect(source.url, application_name="test") as connection,
        pytest.raises(psycopg.errors.DivisionByZero) as caught,
    ):
        connection.execute("SELECT 1 / 0")
    assert str(caught.value) == "division by zero"
