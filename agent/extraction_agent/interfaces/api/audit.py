"""The audit log; to be read."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints

from extraction_agent.interfaces.api.operations import Call, Operations
from extraction_agent.interfaces.api.views import Page
from extraction_agent.model import Value
from extraction_agent.store.tokens import Scope

operations = Operations()


class AuditQuery(Page):
    """Which entries."""

    object: Annotated[Value, StringConstraints(max_length=300)] | None = Field(
        None, description="of this only, such as `config orders` or `extraction 7`"
    )


class EntryView(BaseModel):
    """One change of state."""

    id: int
    at: datetime
    who: str
    action: str
    object: str
    request: str | None = Field(description="the request's id")
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class AuditPage(BaseModel):
    """Entries of the audit log, newest first."""

    entries: list[EntryView]
    next: int | None = Field(description="give it as `after` to get the next page; null: this is the last")


@operations.add("GET", "/api/v1/audit", Scope.READ, AuditPage)
async def list_audit(call: Call, query: AuditQuery) -> AuditPage:
    """List who changed what, newest first."""
    limit = min(query.limit, call.context.config.api.page_limit)
    found = await call.store(lambda store: store.entries(limit + 1, query.after, query.object))
    shown = found[:limit]
    following = shown[-1].id if len(found) > limit else None
    return AuditPage(entries=[EntryView(**one.as_dict()) for one in shown], next=following)
