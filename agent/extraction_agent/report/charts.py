"""The charts, as Vega-Lite specifications of what the files hold: before beside after, told by shape and place too.

Colours are variables of the page's style, so that one drawing serves light, dark and paper.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from extraction_agent.report import evidence, folder
from extraction_agent.report.figures import pointer

Spec = dict[str, Any]
Row = dict[str, Any]

WIDTH = 360  # of the plot, in CSS pixels: on a phone it shrinks, and must still be read
_HEIGHT = 170
_EACH = 34  # height of one row of a chart of rows
_STATEMENTS = 6  # drawn at most
_POINTS = 90  # of a line at most; means of what lies between
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross")
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 4])
COLOURS = tuple(f"var(--side-{number})" for number in range(len(_SHAPES)))
_FLOOR: Spec = {"type": "rule", "color": "var(--floor)", "strokeWidth": 1.5, "strokeDash": [3, 3]}
_FLOOR_TEXT: Spec = {"type": "text", "color": "var(--floor)", "fontSize": 12, "align": "left", "dx": 4, "dy": -6}


@dataclass(frozen=True, slots=True)
class Chart:
    """One drawing: `of` are pointers to what is drawn, `told` is for those who cannot see it."""

    title: str
    caption: str
    told: str
    of: tuple[str, ...]
    spec: Spec


class _Sides:
    """Profiles in their order: before, after, and any other."""

    def __init__(self, run: folder.Folder) -> None:
        names = [run.scenario.before, run.scenario.after]
        for name in (folder.THROUGHPUT, folder.RESOURCES, folder.QUERIES):
            names += [one for one in getattr(run.found.get(name), "profiles", {}) if one not in names]
        self.names = names[: len(_SHAPES)]

    def scale(self, values: Iterable[Any]) -> Spec:
        return {"domain": self.names, "range": list(values)[: len(self.names)]}

    @property
    def colour(self) -> Spec:
        return {"field": "side", "type": "nominal", "title": None, "scale": self.scale(COLOURS)}

    @property
    def shape(self) -> Spec:
        return {"field": "side", "type": "nominal", "title": None, "scale": self.scale(_SHAPES)}

    @property
    def dash(self) -> Spec:
        return {"field": "side", "type": "nominal", "title": None, "scale": self.scale(DASHES)}


def sides(run: folder.Folder) -> list[str]:
    """The profiles that are drawn, in the order of colours and shapes."""
    return _Sides(run).names


def charts(run: folder.Folder) -> list[Chart]:
    """Those that there are measurements for."""
    profiles = _Sides(run)
    made = (_throughput, _latency, _queries, _pool, _cpu, _memory)
    return [chart for one in made for chart in one(run, profiles)]


def _throughput(run: folder.Folder, sides: _Sides) -> Iterator[Chart]:
    told = run.get(folder.THROUGHPUT, evidence.Throughput)
    if told is None:
        return
    floor = run.scenario.floors.throughput_records_per_minute
    rows = [
        {"side": name, "value": one.records_per_minute}
        for name, of in told.profiles.items()
        for one in of.runs
        if name in sides.names
    ]
    yield Chart(
        title="Throughput",
        caption=f"Each run of each profile at full load on the same {told.rows:,} rows. The scale is logarithmic.",
        told=_medians("records a minute", rows),
        of=(pointer(folder.THROUGHPUT, "profiles", "*", "runs", "*", "records_per_minute"),),
        spec=_strip(rows, sides, "records/min", floor, "side", logarithmic=True),
    )


def _latency(run: folder.Folder, sides: _Sides) -> Iterator[Chart]:
    floors = {"p95": run.scenario.floors.p95_seconds, "p99": run.scenario.floors.p99_seconds}
    names = {"p50": "50 %", "p75": "75 %", "p90": "90 %", "p95": "95 %", "p99": "99 %", "p999": "99.9 %", "max": "all"}
    rows, of = [], []
    for side in (run.scenario.before, run.scenario.after):
        if load := run.load(side, "steady"):
            latency = load.latency_seconds
            known = {name: 1000 * value for name in names if (value := getattr(latency, name)) is not None}
            rows += [{"side": side, "share": names[name], "value": value} for name, value in known.items() if value > 0]
            of.append(pointer(folder.load_name(side, "steady"), "latency_seconds", "*"))
    if not rows:
        return
    x = {"field": "share", "type": "ordinal", "sort": list(names.values()), "title": "of the answers within"}
    decades = _decades([*(row["value"] for row in rows), *(1000 * value for value in floors.values())])
    axis = {"values": _powers(decades), "format": ",~g"}
    scale = {"type": "log", "domain": decades}
    y = {"field": "value", "type": "quantitative", "title": "ms", "scale": scale, "axis": axis}
    limits = [{"share": names[name], "value": 1000 * value} for name, value in floors.items()]
    both = {"x": {**x, "axis": {"labelAngle": 0}}, "y": y}
    yield Chart(
        title="API latency",
        caption="How soon a share of all answers came under the steady load. Bars: the floors of A2.",
        told="; ".join(f"{one['side']} {one['share']} within {one['value']:.3g} ms" for one in rows),
        of=tuple(of),
        spec=_layered(
            {"data": {"values": rows}, "mark": {"type": "line", "strokeWidth": 2},
             "encoding": {**both, "color": sides.colour, "strokeDash": sides.dash}},
            {"data": {"values": rows}, "mark": {"type": "point", "filled": True, "size": 55, "opacity": 1},
             "encoding": {**both, "color": sides.colour, "shape": sides.shape}},
            {"data": {"values": limits}, "encoding": both,
             "mark": {"type": "tick", "color": "var(--floor)", "thickness": 3, "bandSize": 40, "orient": "horizontal"}},
        ),
    )  # fmt: skip


def _queries(run: folder.Folder, sides: _Sides) -> Iterator[Chart]:
    told = run.get(folder.QUERIES, evidence.Queries)
    if told is None:
        return
    rows = [
        {"side": name, "name": "all at the store", "value": 1000 * one.p95_seconds}
        for name, of in told.profiles.items()
        for one in of.runs
        if name in sides.names and one.p95_seconds > 0
    ]
    drawn = _apart(told, *sides.names[:2])
    rows += [
        {"side": name, "name": statement.name, "value": 1000 * statement.p95_seconds}
        for name, of in told.profiles.items()
        for statement in of.statements
        if name in sides.names and statement.name in drawn and statement.p95_seconds
    ]
    if rows:
        yield Chart(
            title="Database query time",
            caption="95 % of the answers came within; all statements of each run, then those that changed most, over "
            "all runs. The scale is logarithmic.",
            told=_medians("ms", rows),
            of=(
                pointer(folder.QUERIES, "profiles", "*", "runs", "*", "p95_seconds"),
                pointer(folder.QUERIES, "profiles", "*", "statements", "*", "p95_seconds"),
            ),
            spec=_strip(rows, sides, "ms", 1000 * run.scenario.floors.query_p95_seconds, "name", logarithmic=True),
        )


def _pool(run: folder.Folder, sides: _Sides) -> Iterator[Chart]:
    yield from _over_time(
        run, sides, "pool_use", 100, "% in use", "Connection pool",
        "Share of the pool's connections in use under the steady load.", 100 * run.scenario.floors.pool_use,
    )  # fmt: skip


def _memory(run: folder.Folder, sides: _Sides) -> Iterator[Chart]:
    yield from _over_time(
        run, sides, "rss_bytes", 2**-20, "MiB", "Memory", "Resident memory of the agent under the steady load.", None
    )


def _cpu(run: folder.Folder, sides: _Sides) -> Iterator[Chart]:
    told = run.get(folder.RESOURCES, evidence.Resources)
    if told is None:
        return
    rows = [
        {"side": name, "name": whose, "value": used / one.seconds}
        for whose in ("agent", "source", "store")
        for name, of in told.profiles.items()
        for one in of.runs
        if name in sides.names and (used := getattr(one, f"{whose}_cpu_seconds")) is not None
    ]
    if rows:
        yield Chart(
            title="CPU",
            caption=f"Cores in use at the same {told.offered_records_per_minute:,.0f} records a minute: of the agent, "
            "the source's server and the store's.",
            told=_medians("cores", rows),
            of=tuple(
                pointer(folder.RESOURCES, "profiles", "*", "runs", "*", field)
                for field in ("agent_cpu_seconds", "source_cpu_seconds", "store_cpu_seconds", "seconds")
            ),
            spec=_strip(rows, sides, "cores", None, "name", logarithmic=False),
        )


# Kinds of chart


def _strip(rows: list[Row], sides: _Sides, unit: str, floor: float | None, by: str, *, logarithmic: bool) -> Spec:
    """A row for each name, a point for each value, a bar for the median."""
    names = list(dict.fromkeys(row[by] for row in rows))
    values = [row["value"] for row in rows]
    scale: Spec = {"type": "log", "domain": _decades([*values, floor or values[0]])} if logarithmic else {"zero": True}
    axis: Spec = {"values": _powers(scale["domain"])} if logarithmic else {"tickCount": 5}
    axis |= {"format": "~s" if unit == "records/min" else ",~g"}
    x = {"field": "value", "type": "quantitative", "title": unit, "scale": scale, "axis": axis}
    y = {"field": by, "type": "nominal", "sort": names, "title": None, "axis": {"labelLimit": 140, "grid": True}}
    offset = {} if by == "side" else {"yOffset": {"field": "side", "sort": sides.names}}
    both = {"x": x, "y": y, **offset}
    colour = {**sides.colour, **({"legend": None} if by == "side" else {})}
    shape = {**sides.shape, **({"legend": None} if by == "side" else {})}
    layers: list[Spec] = [
        {
            "data": {"values": rows},
            "mark": {"type": "point", "filled": True, "size": 50, "opacity": 0.75},
            "encoding": {**both, "color": colour, "shape": shape},
        },
        {
            "data": {"values": _middles(rows, by)},
            "mark": {"type": "tick", "thickness": 3, "bandSize": 16, "orient": "vertical", "opacity": 1},
            "encoding": {**both, "color": {**colour, "legend": None}},
        },
    ]
    if floor:
        at = {"x": {**x, "field": "floor"}}
        layers += [
            {"data": {"values": [{"floor": floor}]}, "mark": _FLOOR, "encoding": at},
            {
                "data": {"values": [{"floor": floor, "text": "floor"}]},
                "mark": {**_FLOOR_TEXT, "y": 0, "dy": -6, "dx": 0, "align": "center"},
                "encoding": {**at, "text": {"field": "text"}},
            },
        ]
    rows_each = 1 if by == "side" else max(len(sides.names) * 0.6, 1)
    return {**_layered(*layers), "height": max(round(len(names) * _EACH * rows_each), 70)}


def _over_time(
    run: folder.Folder,
    sides: _Sides,
    field: str,
    factor: float,
    unit: str,
    title: str,
    caption: str,
    floor: float | None,
) -> Iterator[Chart]:
    """A line for each side's steady load."""
    rows: list[Row] = []
    of: list[str] = []
    for side in (run.scenario.before, run.scenario.after):
        load = run.load(side, "steady")
        known = [(one.at_seconds / 60, getattr(one, field)) for one in load.samples] if load else []
        binned = _binned([(at, factor * value) for at, value in known if value is not None])
        rows += [{"side": side, "minutes": at, "value": value} for at, value in binned]
        if binned:
            of.append(pointer(folder.load_name(side, "steady"), "samples", "*", field))
    if not rows:
        return
    x = {
        "field": "minutes",
        "type": "quantitative",
        "title": "minutes",
        "axis": {"tickCount": 6, "grid": False, "format": "~g"},
    }
    y = {"field": "value", "type": "quantitative", "title": unit, "scale": {"zero": True}, "axis": {"tickCount": 5}}
    last = list({row["side"]: row for row in rows}.values())
    layers: list[Spec] = [
        {
            "data": {"values": rows},
            "mark": {"type": "line", "strokeWidth": 2},
            "encoding": {"x": x, "y": y, "color": sides.colour, "strokeDash": sides.dash},
        },
        {
            "data": {"values": last},
            "mark": {"type": "point", "filled": True, "size": 55, "opacity": 1},
            "encoding": {"x": x, "y": y, "color": sides.colour, "shape": sides.shape},
        },
    ]
    if floor is not None:
        at = {"y": {**y, "field": "floor"}}
        layers += [
            {"data": {"values": [{"floor": floor}]}, "mark": _FLOOR, "encoding": at},
            {
                "data": {"values": [{"floor": floor, "text": "floor"}]},
                "mark": {**_FLOOR_TEXT, "x": 0},
                "encoding": {**at, "text": {"field": "text"}},
            },
        ]
    yield Chart(title, caption, _medians(unit, rows), tuple(of), _layered(*layers))


def _layered(*layers: Spec) -> Spec:
    return {"width": WIDTH, "height": _HEIGHT, "layer": list(layers), "resolve": {"legend": {"shape": "shared"}}}


# Of the data


def _binned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Means of so many neighbours that `_POINTS` are left at most."""
    each = math.ceil(len(points) / _POINTS)
    parts = [points[at : at + each] for at in range(0, len(points), each or 1)]
    return [(sum(at for at, _ in part) / len(part), sum(value for _, value in part) / len(part)) for part in parts]


def _apart(told: evidence.Queries, before: str, after: str) -> list[str]:
    """Statements of both sides, those that changed most."""
    old, new = (
        {one.name: one.p95_seconds for one in told.profiles[side].statements if one.p95_seconds}
        if side in told.profiles
        else {}
        for side in (before, after)
    )
    both = [name for name in old if name in new]
    return sorted(both, key=lambda name: -abs(math.log(new[name] / old[name])))[:_STATEMENTS]


def _decades(values: list[float]) -> list[float]:
    """Powers of ten around all values."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return [10.0**low, 10.0 ** max(high, low + 1)]


def _powers(decades: list[float]) -> list[float]:
    low, high = (round(math.log10(one)) for one in decades)
    return [10.0**power for power in range(low, high + 1)]


def _middles(rows: list[Row], by: str) -> list[Row]:
    """The median of each side and name."""
    grouped: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        grouped.setdefault((row["side"], row[by]), []).append(row["value"])
    return [
        {"side": side, by: name, "value": sorted(values)[len(values) // 2]} for (side, name), values in grouped.items()
    ]


def _medians(unit: str, rows: list[Row]) -> str:
    by = "name" if "name" in rows[0] else "side"
    return "; ".join(
        f"{one['side']}{'' if by == 'side' else ' ' + one[by]}: {one['value']:,.4g} {unit}"
        for one in _middles(rows, by)
    )
