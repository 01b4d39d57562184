"""How a PostgreSQL server feels: a cheap round trip, who else is at work, how far its replicas are behind."""

import psycopg

from extraction_agent import deadlines, postgres, sql
from extraction_agent.sockets import Arrivals
from extraction_agent.sources.protocol import Condition

_PACKAGE = "extraction_agent.sources.sql"
_OURS = "^extraction-agent"


class Probe:
    """Also of the store, which is one. Not for two threads at once."""

    def __init__(
        self, conninfo: str, side: postgres.Translation = postgres.SOURCE, name: str = "source", ours: str = _OURS
    ) -> None:
        """ours: application names, as a regular expression, of the sessions that are not others."""
        self._where, self._side, self._ours = postgres.address(conninfo, name), side, ours
        self._touch = sql.load(_PACKAGE, "postgresql_touch")
        with postgres.translated(side, self._where):
            self._connection = postgres.connect(conninfo, application_name="extraction-agent guard")
            try:
                self._connection.deadline = deadlines.PROBE
                self._connection.execute(sql.load(_PACKAGE, "postgresql_probe_session"))
                self._connection.prepare_threshold = 0  # each statement, from its first run on
                self._connection.arrivals = self._arrivals = Arrivals(self._connection.fileno())
            except psycopg.Error:
                self._connection.close()
                raise

    def touch(self) -> float:
        with postgres.translated(self._side, self._where):
            self._connection.execute(self._touch)
        return self._arrivals.seconds

    def look(self) -> Condition:
        with postgres.translated(self._side, self._where):
            row = self._connection.execute(sql.load(_PACKAGE, "postgresql_condition"), {"ours": self._ours}).fetchone()
        assert row is not None
        return Condition(*row)

    def close(self) -> None:
        self._arrivals.close()
        self._connection.pgconn.finish()
