"""The operations of an agent's API, each as a method that speaks the program's own nouns."""

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from extraction_agent import deadlines, errors
from extraction_agent.interfaces.api.audit import AuditPage
from extraction_agent.interfaces.api.views import (
    ConfigBody,
    ConfigPage,
    ConfigView,
    ExtractionPage,
    ExtractionView,
    NewConfig,
)
from extraction_agent.interfaces.cli.http import Http
from extraction_agent.model import Summary
from extraction_agent.store.audit import Entry

_API = "/api/v1"
_PAGE = 1000  # of a list, at most
M = TypeVar("M", bound=BaseModel)


class Client:
    """Raises AgentUnavailable when the agent is away; for all else what the store would raise."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def close(self) -> None:
        """Nothing is kept open between requests."""

    # As on the store

    def summary(self, extraction_id: int) -> Summary:
        return _summary(self._get(ExtractionView, f"/extractions/{extraction_id}"))

    def summaries(self, limit: int) -> list[Summary]:
        """Newest first."""
        return [_summary(one) for one in self._rows(ExtractionPage, "extractions", "/extractions", limit)]

    def cancel(self, extraction_id: int) -> Summary:
        return _summary(self._do(ExtractionView, "POST", f"/extractions/{extraction_id}/cancel"))

    def reopen(self, extraction_id: int) -> Summary:
        return _summary(self._do(ExtractionView, "POST", f"/extractions/{extraction_id}/resume"))

    def entries(self, limit: int, object_: str | None = None) -> list[Entry]:
        """Of the audit log, newest first."""
        found = self._rows(AuditPage, "entries", "/audit", limit, object=object_)
        return [Entry(**one.model_dump()) for one in found]

    # An agent's alone

    def start(self, config: ConfigView, key: str) -> Summary:
        """Begin an extraction, or be told of the one that was begun with this key."""
        return _summary(
            self._do(
                ExtractionView,
                "POST",
                "/extractions",
                {"config_id": config.id},
                headers={"Idempotency-Key": key},
                seconds=deadlines.AGENT_PLANS,
            )
        )

    def records(self, extraction_id: int, after: str | None, limit: int | None) -> str:
        """One page of records, as the agent wrote it."""
        return self._http.ask(
            "GET", f"{_API}/extractions/{extraction_id}/records", query={"after": after, "limit": limit}
        )

    def configs(self, limit: int) -> list[ConfigView]:
        """By number."""
        return self._rows(ConfigPage, "configs", "/configs", limit)

    def config(self, name: str) -> ConfigView:
        """By its name. Raises NotFound."""
        found = self._get(ConfigPage, "/configs", name=name).configs
        if not found:
            raise errors.NotFound(f"There is no config {name}; `extractctl config list` shows those there are.")
        return found[0]

    def create_config(self, config: NewConfig) -> ConfigView:
        return self._do(ConfigView, "POST", "/configs", config.model_dump(mode="json"))

    def replace_config(self, config: NewConfig) -> ConfigView:
        """Give the config of this name another content."""
        body = config.model_dump(mode="json", include=set(ConfigBody.model_fields))
        return self._do(ConfigView, "PUT", f"/configs/{self.config(config.name).id}", body)

    def delete_config(self, name: str) -> None:
        self._http.ask("DELETE", f"{_API}/configs/{self.config(name).id}")

    def tuning(self) -> dict[str, Any]:
        """The tuning in effect on the agent's host, as it tells it: it may know settings that we do not."""
        found: dict[str, Any] = json.loads(self._http.ask("GET", f"{_API}/tuning"))
        return found

    def _get(self, model: type[M], path: str, **query: Any) -> M:
        return self._read(model, self._http.ask("GET", f"{_API}{path}", query=query))

    def _do(self, model: type[M], method: str, path: str, body: Any = None, **more: Any) -> M:
        return self._read(model, self._http.ask(method, f"{_API}{path}", body, **more))

    def _rows(self, model: type[M], rows: str, path: str, limit: int, **query: Any) -> list[Any]:
        """At most `limit` rows of a list, page after page; `rows` is their field in a page."""
        found: list[Any] = []
        after = None
        while True:
            page: Any = self._get(model, path, after=after, limit=min(limit - len(found), _PAGE), **query)
            found += getattr(page, rows)
            after = page.next
            if after is None or len(found) >= limit:
                return found

    def _read(self, model: type[M], text: str) -> M:
        try:
            return model.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise errors.ExtractionError(
                f"The agent {self._http.url} answers in a way this program does not know "
                f"({'.'.join(map(str, first['loc']))}: {first['msg'].lower()}): they are of different versions."
            ) from error


def _summary(view: ExtractionView) -> Summary:
    return Summary(**view.model_dump(exclude={"rows_per_minute"}))
