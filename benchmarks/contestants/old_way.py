"""The profile `baseline`. Its JSON is made in Python and spells values otherwise, so it is checked value by value."""

from dataclasses import dataclass

from benchmarks import bench as b
from benchmarks.contestants.ours import Ours


@dataclass(slots=True)
class OldWay(Ours):
    """This project, doing what the service before it did."""

    name: str = "baseline"
    kind: b.Kind = "json"
    what: str = "`extractctl extract --profile baseline`"
    options: tuple[str, ...] = ("--profile", "baseline")

    @property
    def checked_as(self) -> b.Kind:
        return "typed"

    def arrived(self, bench: b.Bench) -> str:
        del bench
        values = ", ".join(f"data->>'{name}' AS {name}" for name in b.COLUMNS)
        return f"(SELECT {values} FROM extraction_data) AS record"
