"""Records of an extraction, page by page."""

from http import HTTPStatus
from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints

from extraction_agent import errors
from extraction_agent.interfaces.api.operations import Answer, Call, Operations
from extraction_agent.interfaces.api.views import Id
from extraction_agent.model import Status, Strict
from extraction_agent.store.records import PLACE, Place
from extraction_agent.store.store import Store
from extraction_agent.store.tokens import Scope

operations = Operations()
_MOST_BYTES = 8 * 1024 * 1024  # of a page: it ends early behind the record that passes this


class RecordsQuery(Strict):
    """Which records."""

    after: Annotated[str, StringConstraints(pattern=PLACE)] | None = Field(
        None, description="the `next` of the page before; without it the first page"
    )
    limit: int = Field(100, ge=1, le=10_000, description="how many at most")


class RecordPage(BaseModel):
    """Records, each as it was extracted, as they lie in the store. A page may hold fewer than asked for, even none."""

    records: list[Any]
    next: str | None = Field(description="give it as `after` to get the next page; null: this is the last")


@operations.add(
    "GET", "/api/v1/extractions/{extraction_id}/records", Scope.READ, RecordPage,
    HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT,
)  # fmt: skip
async def list_records(call: Call, extraction_id: Id, query: RecordsQuery) -> Answer:
    """List the records of an extraction that has succeeded."""
    limit = min(query.limit, call.context.config.api.page_limit)
    after = None if query.after is None else Place.parse(query.after)

    def read(store: Store) -> tuple[list[str], Place | None]:
        extraction = store.extraction(extraction_id)
        if extraction.status is not Status.SUCCEEDED:
            raise errors.Conflict(
                f"Extraction {extraction_id} is {extraction.status}: its records can be read once it has succeeded."
            )
        return store.records(extraction, after, limit, _MOST_BYTES)

    found, following = await call.store(read)
    # The records are JSON already and go out as they are: to parse them would change numbers.
    last = "null" if following is None else f'"{following}"'
    return Answer(f'{{"records":[{",".join(found)}],"next":{last}}}')
