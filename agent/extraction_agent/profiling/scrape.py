"""What an agent's metrics say, and what was added to them between two scrapes."""

from collections.abc import Callable

from prometheus_client.parser import text_string_to_metric_families

from extraction_agent import errors
from extraction_agent.waits import Scheduled, Wait

Key = tuple[str, frozenset[tuple[str, str]]]
Scrape = Callable[[], str]  # gives the text of an agent's /metrics

_RELAY = "extraction_relay_seconds_total"


class Samples:
    """All samples of one scrape, or of what was added since another."""

    def __init__(self, values: dict[Key, float]) -> None:
        self._values = values

    @classmethod
    def of(cls, text: str) -> "Samples":
        """Raises UsageError for what is not the metrics of an agent that counts its waits."""
        try:
            values = {
                (sample.name, frozenset(sample.labels.items())): float(sample.value)
                for family in text_string_to_metric_families(text)
                for sample in family.samples
            }
        except ValueError:
            raise errors.UsageError("What was answered are no metrics: give the agent's own URL.") from None
        if not any(name == _RELAY for name, _ in values):
            raise errors.UsageError(
                f"The agent has no {_RELAY} among its metrics: it is of an older version, which cannot be profiled."
            )
        return cls(values)

    def since(self, before: "Samples") -> "Samples":
        """A counter that began again, with its agent, is taken from its beginning."""
        added = {}
        for key, value in self._values.items():
            then = before._values.get(key, 0.0)
            added[key] = value - then if value >= then else value
        return Samples(added)

    def value(self, name: str, **labels: str) -> float:
        """Of one sample; 0 if it is not there."""
        return self._values.get((name, frozenset(labels.items())), 0.0)

    def whole(self, name: str) -> float:
        """Of all samples of this name."""
        return sum(value for (found, _), value in self._values.items() if found == name)

    def relay(self) -> dict[Wait, float]:
        """s of the threads that copy, by what they waited for."""
        return {wait: self.value(_RELAY, waiting_for=wait.value) for wait in Wait}

    def scheduled(self, state: Scheduled) -> float:
        """s of the same threads."""
        return self.value("extraction_relay_cpu_seconds_total", state=state.value)

    def statements(self) -> dict[str, tuple[int, float]]:
        """Calls and s of the statements at the store, by class, the costliest first."""
        name = "extraction_query_duration_seconds"
        classes = {dict(labels)["query"] for found, labels in self._values if found == f"{name}_count"}
        found = {
            one: (round(self.value(f"{name}_count", query=one)), self.value(f"{name}_sum", query=one))
            for one in classes
        }
        return dict(sorted(((one, seen) for one, seen in found.items() if seen[0]), key=lambda item: -item[1][1]))
