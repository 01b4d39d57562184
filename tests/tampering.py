"""An audit log of a test, and what somebody who owns its tables can do to it."""

from typing import LiteralString

import psycopg

from extraction_agent.store.store import Store
from support import Database

REWRITE: LiteralString = """
DO $$
DECLARE e audit_log; last bytea := '';
BEGIN
    FOR e IN SELECT * FROM audit_log ORDER BY id LOOP
        e.previous := last;
        e.hash := sha256(e.previous || convert_to(audit_text(e), 'UTF8'));
        UPDATE audit_log SET previous = e.previous, hash = e.hash WHERE id = e.id;
        last := e.hash;
    END LOOP;
    UPDATE audit_head SET hash = last, id = (SELECT max(id) FROM audit_log);
END $$
"""


def fill(store: Database, entries: int) -> None:
    """So many entries more."""
    with Store(store.url) as opened:
        for number in range(entries):
            opened.audit("cli:tester", "config.replaced", f"config {number}", {"n": number}, {"n": number + 1})


def tamper(store: Database, *statements: LiteralString) -> None:
    """As somebody who owns the tables can."""
    with psycopg.connect(store.url) as connection:
        connection.execute("ALTER TABLE audit_log DISABLE TRIGGER ALL")
        connection.execute("ALTER TABLE audit_head DISABLE TRIGGER ALL")
        for statement in statements:
            assert connection.execute(statement).rowcount > 0, statement
