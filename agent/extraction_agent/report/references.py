"""The numbered list of where each figure comes from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reference:
    """One figure as it is shown first."""

    shown: str
    how: str
    of: tuple[str, ...]


class References:
    """Numbers figures in the order in which they are met, each once."""

    def __init__(self) -> None:
        self._listed: dict[tuple[str, tuple[str, ...]], Reference] = {}

    def number(self, how: str, of: tuple[str, ...], shown: str) -> int:
        """From 1."""
        self._listed.setdefault((how, of), Reference(shown, how, of))
        return list(self._listed).index((how, of)) + 1

    def listed(self) -> list[Reference]:
        """Those met so far."""
        return list(self._listed.values())
