"""Connections to MariaDB and MySQL: URL, TLS, deadlines, a stop in the midst of a read, errors as sentences."""

import io
import re
import select
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

import pymysql
from pymysql.converters import encoders
from pymysql.cursors import SSCursor

from extraction_agent import deadlines, errors, sql, waits
from extraction_agent.sockets import Arrivals
from extraction_agent.sources.mysql_rows import Packets
from extraction_agent.waiting import Socket, Stop

PACKAGE = "extraction_agent.sources.sql"
_BUFFER_BYTES = 256 * 1024  # of the socket; a stop is looked for between two fillings
_MODES = ("DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")
_OPTIONS = ("ssl-ca", "ssl-cert", "ssl-key", "ssl-mode", "socket")
# Errors that may pass by themselves: server or network away, too many connections, shutdown, locks, killed.
_TRANSIENT = {
    1040, 1053, 1077, 1152, 1158, 1159, 1160, 1161, 1203, 1205, 1213, 1226, 1317, 1412, 1927, 1969, 3024,
    2002, 2003, 2006, 2013, 2055, 4031,
}  # fmt: skip
_GONE = {1054, 1146, 1049}  # no such column, table, database
_REFUSED = {1044: "privilege", 1045: "password", 1142: "privilege", 1143: "privilege", 1698: "password"}


class Address:
    """What a URL says, password included."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        unknown = sorted(set(options) - set(_OPTIONS))
        if unknown:
            raise errors.UsageError(
                f"The source URL's option {unknown[0]} is not known; there are {', '.join(_OPTIONS)}."
            )
        try:
            port = parts.port or 3306
        except ValueError:
            raise errors.UsageError("The source URL's port is not a number up to 65535.") from None
        host, database = parts.hostname or "localhost", unquote(parts.path.lstrip("/"))
        self.where = f"source {options.get('socket') or f'{host}:{port}'}/{database}"
        self.arguments: dict[str, Any] = {
            "host": host,
            "port": port,
            "user": unquote(parts.username or ""),
            "password": unquote(parts.password or ""),
            "database": database or None,
            "unix_socket": options.get("socket"),
            **_tls(options),
        }


def _tls(options: dict[str, str]) -> dict[str, Any]:
    """TLS as the MySQL client understands it: an authority without a mode means VERIFY_CA, nothing means PREFERRED."""
    authority = options.get("ssl-ca")
    mode = options.get("ssl-mode", "VERIFY_CA" if authority else "PREFERRED").upper()
    if mode not in _MODES:
        raise errors.UsageError(f"ssl-mode is one of {', '.join(_MODES)}, not {mode}.")
    if mode == "DISABLED":
        return {"ssl_disabled": True}
    if mode == "PREFERRED" and not options.get("ssl-cert"):
        return {}  # PyMySQL's default: TLS if the server offers it
    try:
        context = ssl.create_default_context(cafile=authority)
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # certificates that MySQL makes for itself lack a key id
        context.check_hostname = mode == "VERIFY_IDENTITY"
        context.verify_mode = ssl.CERT_REQUIRED if mode.startswith("VERIFY") else ssl.CERT_NONE
        if certificate := options.get("ssl-cert"):
            context.load_cert_chain(certificate, options.get("ssl-key"))
    except OSError as error:  # ssl.SSLError is one
        raise errors.UsageError(f"A file of the source URL's TLS options cannot be read: {error}.") from error
    return {"ssl": context}


class _Reader(io.RawIOBase):
    """Reads a socket; while `waits` is set, no wait outlasts a stop or the deadline of a silent stream."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._ready = select.poll()
        self._ready.register(sock, select.POLLIN)
        self.waits: Socket | None = None
        self.arrivals: Arrivals | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        waits, sock = self.waits, self._sock
        pending = isinstance(sock, ssl.SSLSocket) and sock.pending()
        if waits is not None and not pending:
            waits.readable()
            while not self._ready.poll(0):
                waits.readable()
        if self.arrivals is not None and not pending:
            longest = sock.gettimeout()
            if not self._ready.poll(None if longest is None else longest * 1000):
                raise TimeoutError("timed out")
            self.arrivals.came()
        size = sock.recv_into(buffer)
        if waits is not None:
            waits.moved()
        return size


class Connection:
    """A pinned, read-only connection whose values arrive as the bytes the server wrote."""

    def __init__(self, address: Address, deadline: float) -> None:
        """deadline: of each wait for an answer that is not a stream, in seconds."""
        self.where = address.where
        with self.errors(), waits.waiting_for(waits.Wait.SOURCE):
            self._driver = pymysql.connect(
                **address.arguments,
                charset="utf8mb4",
                use_unicode=False,
                conv=cast(dict[int | type[Any], Any], encoders),  # for parameters only: nothing is decoded
                autocommit=True,
                connect_timeout=int(deadlines.CONNECT),
                read_timeout=int(deadline),
                write_timeout=int(deadlines.STATEMENT),
                program_name="extraction-agent source",
            )
        self._reader: _Reader | None = None
        try:
            self.is_mariadb = "mariadb" in str(self._driver.get_server_info()).lower()  # type: ignore[no-untyped-call] # in types-PyMySQL
            self._pin()
        except BaseException:
            self.close()
            raise

    def _pin(self) -> None:
        for name in ("mysql_session", "mysql_transaction", "mariadb_limits" if self.is_mariadb else "mysql_limits"):
            self.rows(sql.load(PACKAGE, name))
        # The driver's own reader would sleep through a stop. TLS, if any, is up by now, and nothing is buffered.
        sock = self._driver._sock  # type: ignore[attr-defined] # the driver has no public name for it
        self._reader = _Reader(sock)
        self._driver._rfile = io.BufferedReader(self._reader, _BUFFER_BYTES)  # type: ignore[attr-defined] # the same

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Translate the driver's errors."""
        try:
            yield
        except pymysql.MySQLError as error:
            raise translate(error, self.where) from error
        except UnicodeError as error:  # of the resolver: a part of it is empty, or longer than 63 letters
            raise errors.SourceError(f"{self.where}: no host can have such a name.") from error

    def rows(self, statement: str, parameters: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """All rows of a short result, their values as bytes. Raises SourceError, SourceUnavailable."""
        with self.errors(), waits.waiting_for(waits.Wait.SOURCE), self._driver.cursor() as cursor:
            cursor.execute(statement, parameters)
            return list(cursor.fetchall())

    def time(self, statement: str) -> float:
        """Seconds until the answer came, by the kernel's clock. Raises SourceError, SourceUnavailable."""
        if self._reader is None or not self.open:
            raise errors.SourceUnavailable(f"{self.where}: the connection was closed.")
        with closing(Arrivals(self.fileno())) as arrivals:
            self._reader.arrivals = arrivals
            arrivals.sent()
            try:
                self.rows(statement)
            finally:
                self._reader.arrivals = None
            return arrivals.seconds

    def texts(self, statement: str, parameters: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """The same, decoded."""
        return [tuple(map(_text, row)) for row in self.rows(statement, parameters)]

    def records(self, statement: str) -> list[dict[str, Any]]:
        """The same, each row with the names of its columns."""
        with self.errors(), self._driver.cursor() as cursor:
            cursor.execute(statement)
            names = [_text(column[0]) for column in cursor.description or ()]
            return [dict(zip(names, map(_text, row), strict=True)) for row in cursor.fetchall()]

    def fields(self, statement: str) -> list[Any]:
        """The driver's descriptions of a result's columns, flags included; the rows are thrown away."""
        with self.errors(), self._driver.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor._result.fields or ())  # cursor.description lacks the flags

    @contextmanager
    def packets(self, statement: str, stop: Stop) -> Iterator[Packets]:
        """What follows the head of a result, as it comes. Who leaves before its end closes the connection."""
        stalled = errors.SourceUnavailable(
            f"{self.where}: not a byte for {deadlines.STALL:g} s; the server or the network is stalled."
        )
        assert self._reader is not None
        self._reader.waits = Socket(self.fileno(), stop, deadlines.STALL, stalled)
        cursor: SSCursor = self._driver.cursor(SSCursor)
        packets = Packets(self._driver._rfile)  # type: ignore[attr-defined] # the driver has no public name for it
        try:
            with self.errors():
                cursor.execute(statement)
                yield packets
        finally:
            self._reader.waits = None
            self._let_go(cursor)
            if not packets.ended:
                self.close()

    def _let_go(self, cursor: SSCursor) -> None:
        """Of a result that the driver would read to its end, although that has been read, or never will be."""
        result = cursor._result  # type: ignore[attr-defined] # no public way leaves the rest unread
        if result is not None:
            result.unbuffered_active = False
        cursor.connection = None  # type: ignore[assignment] # so that closing it reads nothing, as the driver does itself
        cursor.close()

    def bind(self, query: str, parameters: dict[str, str]) -> str:
        """A query with its %(name)s parameters as literals. Raises UsageError."""
        text = query.strip().rstrip(";")
        if not parameters:
            return text
        try:
            with self._driver.cursor() as cursor:
                return str(cursor.mogrify(text, parameters))
        except (KeyError, TypeError, ValueError) as error:
            raise errors.UsageError(
                f"The query's parameters do not fit: {error}. Write %(name)s and give --param name=value."
            ) from error

    def read_as_one(self, query: str) -> None:
        """Have the server read a query as one statement, and not run it: only such a one stays in its parentheses.

        Raises SourceError with the server's refusal.
        """
        self.rows(sql.load(PACKAGE, "mysql_prepare"), {"query": query})

    def literal(self, value: str) -> str:
        """A text as SQL."""
        return str(self._driver.escape(value))

    def fileno(self) -> int:
        return int(self._driver._sock.fileno())  # type: ignore[attr-defined] # the driver has no public name for it

    @property
    def open(self) -> bool:
        return self._driver.open

    def close(self) -> None:
        """Hang up. Not an error if the server did so first."""
        if self._driver.open:
            self._driver.close()


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def identifier(*names: str) -> str:
    """A quoted name."""
    return ".".join("`" + name.replace("`", "``") + "`" for name in names)


def names_of(quoted: str) -> list[str]:
    """The names in what `identifier` made."""
    return [name.replace("``", "`") for name in re.findall(r"`((?:[^`]|``)*)`", quoted)]


def translate(error: pymysql.MySQLError, where: str) -> errors.ExtractionError:
    """A driver's error as ours."""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    message = " ".join(str(error.args[1] if len(error.args) > 1 else error).split()).rstrip(".")
    if isinstance(getattr(error, "original_exception", None), ssl.SSLCertVerificationError):
        return errors.SourceError(f"{where}: {message}. Check ssl-ca, and the host's name if ssl-mode verifies it.")
    if number in _TRANSIENT or (number == 0 and isinstance(error, pymysql.InterfaceError)):
        return errors.SourceUnavailable(f"{where} cannot be reached: {message or 'the connection is closed'}.")
    if number in _REFUSED:
        return errors.SourceError(f"{where} refuses: {message}. Check the URL's user and its {_REFUSED[number]}.")
    if number in _GONE:
        return Missing(f"{where}: {message}.")
    return errors.SourceError(f"{where}: {message}.")


class Missing(errors.SourceError):
    """A database, table or column that is not there (any more)."""
