"""What a tool must offer to take part. Adding one is adding one file beside this."""

from typing import Protocol

from benchmarks.bench import Bench, Kind


class Contestant(Protocol):
    """One way to copy the source table into a target."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> Kind:
        """In which shape the rows arrive."""
        ...

    @property
    def checked_as(self) -> Kind:
        """Whether `arrived` gives the source's columns, or `data`."""
        ...

    @property
    def what(self) -> str:
        """For the report: the command in short."""
        ...

    def missing(self, bench: Bench) -> str | None:
        """Why it cannot be measured here; None: it can."""
        ...

    def prepare(self, url: str) -> None:
        """Make in an empty database what the tool finds there before its run."""
        ...

    def pipeline(self, bench: Bench) -> list[list[str]]:
        """The commands to run, joined by pipes: the part that is timed."""
        ...

    def arrived(self, bench: Bench) -> str:
        """What stands after FROM to read what arrived, by the source's column names or as `data`."""
        ...

    def cleanup(self, bench: Bench) -> None:
        """Remove what a run left outside the target database; not timed."""
        ...
