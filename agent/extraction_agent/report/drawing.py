"""Draws charts: Vega-Lite specifications in, SVG out, which the page's style colours and its width scales."""

import itertools
import re

import vl_convert
from markupsafe import Markup, escape

from extraction_agent.report.charts import COLOURS, DASHES, Chart

_CONFIG = {
    "font": "sans-serif",
    "background": None,
    "padding": {"left": 14, "right": 8, "top": 8, "bottom": 4},  # a reader's font may be wider than the one measured
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--muted)", "titleColor": "var(--muted)", "gridColor": "var(--rule)", "labelFontSize": 12,
        "domainColor": "var(--rule)", "tickColor": "var(--rule)", "titleFontSize": 12, "titleFontWeight": "normal",
        "labelFlush": False,
    },
    "legend": {"disable": True},  # the page has one for all
}  # fmt: skip
_HEAD = re.compile(r"<svg [^>]*?width=\"(?P<width>[\d.]+)\" height=\"(?P<height>[\d.]+)\"[^>]*>")
_IDS = re.compile(r"(id=\"|url\(#)(?P<name>[\w-]+)")
_numbers = itertools.count(1)


def svg(chart: Chart) -> Markup:
    """To be put into a page as it is."""
    drawn = vl_convert.vegalite_to_svg({**chart.spec, "config": _CONFIG})
    head = _HEAD.search(drawn)
    assert head is not None, drawn[:300]
    number = next(_numbers)
    body = _IDS.sub(rf"\g<1>c{number}-\g<name>", drawn[head.end() :])
    return Markup(  # noqa: S704 - what vl_convert has written escapes its texts; the label is escaped here
        f'<svg viewBox="0 0 {head["width"]} {head["height"]}" width="{head["width"]}" height="{head["height"]}" '
        f'role="img" aria-label="{escape(chart.title)}. {escape(chart.told)}">{body}'
    )


def sign(place: int) -> Markup:
    """How the side at this place is drawn: colour, dash and shape, for the legend."""
    dash = ",".join(map(str, DASHES[place]))
    shapes = (
        '<circle cx="20" cy="8" r="5"/>', '<rect x="15" y="3" width="10" height="10"/>', '<path d="M20 2l6 11h-12z"/>',
        '<path d="M20 1l6 7-6 7-6-7z"/>', '<path d="M18 2h4v4h4v4h-4v4h-4v-4h-4v-4h4z"/>',
    )  # fmt: skip
    return Markup(  # noqa: S704 - nothing of it was given by anybody
        f'<svg viewBox="0 0 40 16" aria-hidden="true"><path d="M0 8h40" stroke="{COLOURS[place]}" stroke-width="2.5" '
        f'stroke-dasharray="{dash}" fill="none"/><g fill="{COLOURS[place]}">{shapes[place]}</g></svg>'
    )
