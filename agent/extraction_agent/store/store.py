"""The one caller of the store's SQL. Each method is one round trip or one transaction; errors are ours."""

from extraction_agent.store import migrate
from extraction_agent.store.chunks import Chunks
from extraction_agent.store.configs import Configs
from extraction_agent.store.endings import Endings
from extraction_agent.store.rows import ChunkRow, Config, Extraction
from extraction_agent.store.tokens import Tokens

__all__ = ["ChunkRow", "Config", "Extraction", "Store"]


class Store(Configs, Endings, Chunks, Tokens):
    """One connection to the store, with all that can be asked of it."""

    def migrate(self) -> list[migrate.Migration]:
        with self._errors():
            return migrate.migrate(self.connection)

    def versions(self) -> dict[int, str]:
        with self._errors():
            return migrate.current(self.connection)
