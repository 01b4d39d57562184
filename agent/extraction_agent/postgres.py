"""Connections to PostgreSQL, for sources and store alike: deadlines on every wait, errors as sentences."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self, TypeVar

import psycopg
from psycopg.abc import PQGen, PQGenConn
from psycopg.conninfo import conninfo_to_dict

from extraction_agent import deadlines, errors, waiting, waits
from extraction_agent.sockets import Arrivals

RV = TypeVar("RV")

NETWORK = {
    "connect_timeout": int(deadlines.CONNECT),
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 5,
    "tcp_user_timeout": int(deadlines.NETWORK_DEAD * 1000),
}
_BACKEND = "SELECT pg_backend_pid()"
# SQLSTATEs that may pass by themselves: connection, resources but a full disk, shutdown, conflict, locks.
_TRANSIENT = ("08", "53", "57P", "40", "55P03")
_DISK_FULL = "53100"
# The same of a connection that was refused, which libpq tells in words only: waiting mends none of these.
_REFUSED = (
    "password authentication failed", "no password supplied", "does not exist", "no pg_hba.conf entry",
    "permission denied for database", "certificate verify failed", "server does not support SSL",
)  # fmt: skip


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection whose every wait ends: a server that does not answer closes it."""

    deadline: float | None = deadlines.STATEMENT
    peer = waits.Wait.STORE  # whom it leads to
    arrivals: Arrivals | None = None  # where its answers are timed

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        limit = timeout or self.deadline
        if self.arrivals is not None:
            gen = self.arrivals.noting(gen)
        begun = time.monotonic()
        try:
            with waits.waiting_for(self.peer):
                return super().wait(waiting.interruptible(gen), interval, limit)
        except errors.Cancelled:
            self.pgconn.finish()  # its answer may still come: nobody may use the connection again
            raise
        except psycopg.OperationalError as error:
            if error.sqlstate is None and limit and time.monotonic() - begun >= limit:
                self.pgconn.finish()
                raise psycopg.OperationalError(f"no answer within {limit:g} s") from error
            raise

    @classmethod
    def _connect_gen(cls, conninfo: str = "") -> PQGenConn[Self]:
        return waiting.interruptible(super()._connect_gen(conninfo))

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Give the statements inside another deadline."""
        before, self.deadline = self.deadline, seconds
        try:
            yield
        finally:
            self.deadline = before


def address(conninfo: str, side: str) -> str:
    """How errors name the database of a URL. Raises UsageError, without words that might be the password."""
    if not re.match(r"postgres(ql)?://|\w+ *=", conninfo):
        raise errors.UsageError(f"The {side}'s URL is postgresql://user@host/database; this one begins otherwise.")
    try:
        parts = conninfo_to_dict(conninfo)
    except psycopg.ProgrammingError as error:
        said, credentials = describe(error), conninfo.rpartition("@")[0]
        said = re.sub('"([^"]*)"', lambda quoted: "…" if quoted[1] in credentials else quoted[0], said)
        raise errors.UsageError(f"The {side}'s URL cannot be read: {said}.") from None
    return f"{side} {parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"


def connect(
    conninfo: str, *, application_name: str, autocommit: bool = True, peer: waits.Wait = waits.Wait.STORE
) -> Connection:
    """Open a connection with time-outs on the client, the network and (for a lost client) the server.

    peer: whom a thread that uses it waits for. Raises psycopg.Error; callers translate it with the side they are on.
    """
    with waits.waiting_for(peer):
        connection = Connection.connect(
            conninfo,
            autocommit=autocommit,
            application_name=application_name,
            **NETWORK,  # type: ignore[arg-type] # libpq's own options, of mixed types
        )
    connection.peer = peer
    return connection


_passed: set[str] = set()  # addresses of poolers in session mode


def refuse_pooler(connection: Connection, conninfo: str, where: str) -> None:
    """Raise UsageError for a pooler that gives each transaction another server: what a session pins would not hold.

    In session mode a server belongs to us until we leave. So a second client, while we are connected, must
    get another one, and ours must stay the same while that client keeps its own busy.
    """
    backend = connection.execute(_BACKEND).fetchone()
    if backend == (connection.pgconn.backend_pid,) or conninfo in _passed:
        return
    refused = False
    with connect(conninfo, application_name="extraction-agent probe", autocommit=False) as other:
        try:
            theirs = other.execute(_BACKEND).fetchone()
            ours = connection.execute(_BACKEND).fetchone()
            refused = theirs == backend or ours != backend
        except psycopg.errors.ProtocolViolation:  # in statement mode there are no transactions at all
            refused = True
    if refused:
        raise errors.UsageError(
            f"{where} is a pooler in transaction mode, which gives each transaction another session: the settings, "
            "snapshots and locks that keep an extraction exact would be lost. Use a pool in session mode (PgBouncer: "
            "pool_mode=session), or the server's own address."
        )
    _passed.add(conninfo)


def describe(error: psycopg.Error) -> str:
    """The server's message and detail in one line, without a trailing stop."""
    diagnostics = error.diag
    parts = [diagnostics.message_primary, diagnostics.message_detail, diagnostics.message_hint]
    text = "; ".join(part for part in parts if part) or _plain(str(error))
    return " ".join(text.split()).rstrip(".")


def _plain(text: str) -> str:
    """A refused connection in one sentence: libpq says first that it failed, and asks a question at the end."""
    lines = [line for line in text.splitlines() if not line.strip().startswith("Is the server running")]
    return " ".join(lines).removeprefix("connection failed: ").removeprefix("connection is bad: ")


def is_transient(error: psycopg.Error) -> bool:
    """Whether the same statement may succeed later without anyone doing anything."""
    state = error.sqlstate
    if state is None:  # the connection broke, or never stood
        passing = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return passing and not any(words in str(error) for words in _REFUSED)
    return state.startswith(_TRANSIENT) and state != _DISK_FULL


Translation = tuple[type[errors.ExtractionError], type[errors.ExtractionError]]
SOURCE: Translation = (errors.SourceError, errors.SourceUnavailable)
STORE: Translation = (errors.StoreError, errors.StoreUnavailable)


def translate(error: psycopg.Error, side: Translation, where: str) -> errors.ExtractionError:
    """A driver's error as ours: `where` names the database, e.g. "source db1:5432/shop"."""
    permanent, transient = side
    kind = transient if is_transient(error) else permanent
    return kind(f"{where}: {describe(error)}{advice(error)}.")


def advice(error: psycopg.Error) -> str:
    """What the person can do about it, where the server's own words do not say."""
    state = error.sqlstate
    if state is None:
        text = str(error)
        for needle, hint in _CONNECT_ADVICE:
            if needle in text:
                return f" – {hint}"
        return ""
    return next((f" – {hint}" for prefix, hint in _STATE_ADVICE if state.startswith(prefix)), "")


_CONNECT_ADVICE = (
    ("password authentication failed", "check the user and the password"),
    ("no password supplied", "give the password in the URL, by --secret NAME or in PGPASSWORD"),
    ("resolve host", "check the host name in the URL"),
    ("Name or service not known", "check the host name in the URL"),
    ("Connection refused", "check that the server runs and that host and port are right"),
    ("does not exist", "check the database and user names in the URL"),
    ("no answer within", "the server is stalled or the network drops its packets"),
)
_STATE_ADVICE = (
    ("42501", "grant the role what is missing"),
    (_DISK_FULL, "free space there, then `extractctl resume` the extraction"),
    ("53300", "the server has no connection left; it is tried again"),
)


@contextmanager
def translated(side: Translation, where: str | Callable[[], str]) -> Iterator[None]:
    """Turn psycopg's errors inside the block into ours."""
    try:
        yield
    except psycopg.Error as error:
        raise translate(error, side, where if isinstance(where, str) else where()) from error
