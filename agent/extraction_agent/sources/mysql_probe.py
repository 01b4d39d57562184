"""How a MariaDB or MySQL server feels: a cheap round trip, and, where the role has PROCESS, who else is at work."""

from extraction_agent import deadlines, errors, sql
from extraction_agent.sources.mysql_connection import PACKAGE, Address, Connection
from extraction_agent.sources.protocol import Condition

_MAY = "SELECT COUNT(*) FROM information_schema.user_privileges WHERE privilege_type = 'PROCESS'"


class Probe:
    """Not for two threads at once."""

    def __init__(self, address: Address) -> None:
        self._connection = Connection(address, max(1.0, deadlines.PROBE))
        self._sees_others = self._connection.texts(_MAY) != [("0",)]

    def touch(self) -> float:
        return self._connection.time(sql.load(PACKAGE, "mysql_touch"))

    def look(self) -> Condition:
        if not self._sees_others:
            return Condition(None, None)
        try:
            [(at_work, active, oldest)] = self._connection.texts(sql.load(PACKAGE, "mysql_condition"))
        except errors.SourceUnavailable:
            raise
        except errors.SourceError:  # PROCESS was taken away
            return Condition(None, None)
        return Condition(int(at_work), int(active), None, None if oldest is None else float(oldest))

    def close(self) -> None:
        self._connection.close()
