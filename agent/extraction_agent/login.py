"""A log-in whose refusal tells the server's SQLSTATE: libpq has but its words, and these in the server's language.

libpq puts the state among the words if it is asked to before the server answers. The driver has no call for that, so
its log-in is here once more.
"""

import ctypes
import re
import sys
from functools import cache

import psycopg
from psycopg import pq
from psycopg.abc import PQGenConn
from psycopg.waiting import Wait

_DEFAULT, _VERBOSE = 1, 2  # libpq's PGVerbosity
# What a refusal is taken for by its state; of any other its words are all there is, and it may pass.
_TELLING = ("28", "3D", "42501", "53", "57P")
_STATE = re.compile(
    r"( failed: [^:\n]+:  )([0-9A-Z]{5}): "
)  # as in "connection to … failed: FATAL:  28P01: password …"
_PLACE = re.compile(r"\n[^:\n]+: +\w+, [^\s:]+:\d+$", re.MULTILINE)  # in the server's program


def connect(conninfo: str) -> PQGenConn[pq.abc.PGconn]:
    """Log in without blocking, as the driver's own generator does.

    Raises psycopg.OperationalError, or, where the server has said which, the error of that state.
    """
    pgconn = pq.PGconn.connect_start(conninfo.encode())
    _set_verbosity(pgconn, _VERBOSE)
    while True:
        polled = pq.PollingStatus.FAILED if pgconn.status == pq.ConnStatus.BAD else pgconn.connect_poll()
        if polled == pq.PollingStatus.OK:
            break
        if polled == pq.PollingStatus.FAILED:
            raise _refusal(pgconn)
        wait = Wait.R if polled == pq.PollingStatus.READING else Wait.W
        while not (yield pgconn.socket, wait):
            pass
    _set_verbosity(pgconn, _DEFAULT)
    pgconn.nonblocking = 1
    return pgconn


def _refusal(pgconn: pq.abc.PGconn) -> psycopg.Error:
    told = pgconn.error_message.decode(errors="replace").strip()
    pgconn.finish()
    states = [found[2] for found in _STATE.finditer(told)]
    message = "connection failed: " + _PLACE.sub("", _STATE.sub(r"\1", told))
    if states and states[-1].startswith(_TELLING):  # the last: libpq may have tried with TLS first, then without
        return psycopg.errors.lookup(states[-1])(message)
    return psycopg.OperationalError(message)


@cache
def _libpq() -> ctypes.CDLL:
    """The one that psycopg uses: a library is searched together with its dependencies."""
    return ctypes.CDLL(sys.modules[pq.PGconn.__module__].__file__)


def _set_verbosity(pgconn: pq.abc.PGconn, verbosity: int) -> None:
    if pq.__impl__ != "python":  # which only a development environment has
        pointer = pgconn.pgconn_ptr  # type: ignore[attr-defined] # public in every implementation but the protocol
        _libpq().PQsetErrorVerbosity(ctypes.c_void_p(pointer), verbosity)
