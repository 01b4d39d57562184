"""`extractctl`; without CHECKING on a platform whose server can't tell that its client is gone."""

import os

from extraction_agent import sql
from extraction_agent.interfaces.cli.main import main
from extraction_agent.tuning.indexes.place import SQL

if not os.environ.get("CHECKING"):
    _load = sql.load

    def _unable(package: str, name: str) -> str:
        off = "SET client_connection_check_interval = 0"
        return off if (package, name) == (SQL, "check_interval") else _load(package, name)

    sql.load = _unable  # type: ignore[assignment] # which takes literals only
main()
