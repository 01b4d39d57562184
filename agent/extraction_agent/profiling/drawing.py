"""Stacks as a flame graph in SVG: a box's width is its share of the samples, the innermost frame is on top.

One file without a script: it opens and prints anywhere, offline; pointing at a box says all of its name.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from zlib import crc32

from extraction_agent.profiling.flame import Stacks

_WIDTH, _ROW, _MARGIN, _HEADING = 1200, 18, 10, 40  # pixels
_LETTER = 6.6  # pixels, of the font below
_NARROWEST = 0.5  # pixels: less is not seen


@dataclass(slots=True)
class _Box:
    count: int = 0
    above: dict[str, "_Box"] = field(default_factory=dict)

    @property
    def depth(self) -> int:
        return 1 + max((one.depth for one in self.above.values()), default=0)


def draw(stacks: Stacks, title: str) -> str:
    """The SVG."""
    root = _Box()
    for frames, count in stacks.items():
        box = root
        box.count += count
        for frame in frames:
            box = box.above.setdefault(frame, _Box())
            box.count += count
    height = _HEADING + root.depth * _ROW + _MARGIN
    boxes = "\n".join(_boxes(root, "all", float(_MARGIN), height - _MARGIN - _ROW, root.count))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="100%" '
        'font-family="DejaVu Sans Mono, Consolas, monospace" font-size="11">\n'
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>\n'
        f'<text x="{_MARGIN}" y="25" font-size="15">{escape(title)}</text>\n{boxes}\n</svg>\n'
    )


def _boxes(box: _Box, name: str, x: float, y: int, whole: int) -> Iterator[str]:
    width = (_WIDTH - 2 * _MARGIN) * box.count / max(whole, 1)
    if width < _NARROWEST:
        return
    letters = int((width - 6) / _LETTER)
    shown = name if len(name) <= letters else f"{name[: letters - 1]}…" if letters > 3 else ""
    yield (
        f"<g><title>{escape(name)}: {box.count:,} samples, {box.count / max(whole, 1):.1%}</title>"
        f'<rect x="{x:.1f}" y="{y}" width="{max(width - 0.5, 0.3):.1f}" height="{_ROW - 1}" fill="{_colour(name)}"/>'
        f'<text x="{x + 3:.1f}" y="{y + 13}">{escape(shown)}</text></g>'
    )
    for above, one in sorted(box.above.items()):
        yield from _boxes(one, above, x, y - _ROW, whole)
        x += (_WIDTH - 2 * _MARGIN) * one.count / max(whole, 1)


def _colour(name: str) -> str:
    """The same function has the same shade: one hue of many lightnesses, which any eye tells apart from black text."""
    return f"hsl(38 85% {62 + crc32(name.encode()) % 24}%)"
