"""Pages of records: by where a row lies, which does not change while rows are only added.

A table is read in windows of blocks, so that a page costs what it holds, wherever in the table it is.
"""

import re
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from psycopg import sql as q

from extraction_agent import sql
from extraction_agent.model import Format
from extraction_agent.observe import metrics
from extraction_agent.store.connection import StoreConnection
from extraction_agent.store.rows import Extraction

_QUERIES = "extraction_agent.store.queries"
_WINDOW = 64  # blocks of the first window; each that brings nothing is followed by one of twice the size
_MOST_BLOCKS = 32_768  # read for one page: 256 MiB, in which a small extraction among others may not be found yet
_LAST = 9_999  # no offset within a block is as high
PLACE = r"^(0|[1-9][0-9]{0,8})-(0|[1-9][0-9]{0,3})-(0|[1-9][0-9]{0,17})$"


@dataclass(frozen=True, slots=True)
class Place:
    """Behind which record a page ends: where it lies, and how many have been read with it."""

    block: int
    offset: int
    read: int

    @classmethod
    def parse(cls, text: str) -> "Place":
        found = re.fullmatch(PLACE, text)
        assert found is not None, "the interface has checked it"
        return cls(int(found[1]), int(found[2]), int(found[3]))

    def __str__(self) -> str:
        return f"{self.block}-{self.offset}-{self.read}"


class Records(StoreConnection):
    """Records as a reader of the interface gets them."""

    def records(
        self, extraction: Extraction, after: Place | None, limit: int, most_bytes: int
    ) -> tuple[list[str], Place | None]:
        """JSON texts of at most `limit` records and of `most_bytes`, but for the last; then where the next page begins.

        None: there is no next page. Fewer records than asked for, even none, are not the end.
        """
        row = self._one("extent", table=extraction.table, extraction_id=extraction.id)
        assert row is not None
        blocks, total = row
        place = after or Place(0, 0, 0)
        found: list[str] = []
        size, width, first = 0, _WINDOW, place.block
        while place.read < total and place.block < blocks and place.block - first < _MOST_BLOCKS:
            end = min(place.block + width, blocks)
            before = len(found)
            window = self._window(extraction, place, end, limit - before)
            with self._errors(), metrics.QUERY_SECONDS.labels("records").time(), closing(window):
                for text, block, offset in window:
                    found.append(text)
                    size += len(text)
                    place = Place(block, offset, place.read + 1)
                    if len(found) == limit or size >= most_bytes:
                        return found, (place if place.read < total else None)
            place = Place(end - 1, _LAST, place.read) if end < blocks else Place(blocks, 0, place.read)
            width = _WINDOW if len(found) > before else width * 2
        return found, (place if place.read < total and place.block < blocks else None)

    def _window(
        self, extraction: Extraction, place: Place, end: int, limit: int
    ) -> Generator[tuple[str, int, int], None, None]:
        """Records behind a place, before a block, as they lie; one by one, so that a large one is not met by others."""
        format_ = extraction.plan.format
        parts: dict[str, q.Composable] = {
            "table": sql.trusted(extraction.table),
            "extraction": q.Identifier(format_.extraction_column),
        }
        if format_ is Format.JSON:
            text = sql.load(_QUERIES, "records_json")
        else:
            text = sql.load(_QUERIES, "records_typed")
            parts["columns"] = q.SQL(", ").join(q.Identifier(column.name) for column in extraction.plan.columns)
        values: dict[str, Any] = {
            "extraction_id": extraction.id,
            "after": f"({place.block},{place.offset})",
            "before": f"({end},0)",
            "limit": limit,
        }
        with self.connection.cursor() as cursor:
            yield from cursor.stream(q.SQL(text).format(**parts), values)
