"""The one caller of the store's SQL. Each method is one round trip or one transaction; errors are ours."""

from extraction_agent import deadlines
from extraction_agent.store import migrate
from extraction_agent.store.allowance import Allowances
from extraction_agent.store.chunks import Chunks
from extraction_agent.store.configs import Configs
from extraction_agent.store.endings import Endings
from extraction_agent.store.records import Records
from extraction_agent.store.rows import ChunkRow, Config, Extraction
from extraction_agent.store.schedules import Schedules
from extraction_agent.store.tokens import Tokens
from extraction_agent.store.watches import Watches

__all__ = ["ChunkRow", "Config", "Extraction", "Store"]


class Store(Configs, Endings, Chunks, Tokens, Records, Schedules, Watches, Allowances):
    """One connection to the store, with all that can be asked of it."""

    def migrate(self) -> list[migrate.Migration]:
        with self.connection.within(deadlines.PLAN), self.transaction():
            applied = migrate.migrate(self.connection)
            if applied:
                names = [f"{migration.version:04d} {migration.name}" for migration in applied]
                self.audit(None, "store.migrated", "store", after={"applied": names})
        return applied

    def versions(self) -> dict[int, str]:
        with self._errors():
            return migrate.current(self.connection)
