"""The few kinds of panel that both dashboards are made of. Each needs a description: what to do when it is bad."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.builders import dashboard as b
from grafana_foundation_sdk.models import common as c
from grafana_foundation_sdk.models import dashboard as d
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.limits import NONE, Limits

SOURCE = d.DataSourceRef(type_val="prometheus", uid="${datasource}")
SELECTED = 'job=~"$job", instance=~"$instance"'

# Units, by Grafana's names
RECORDS, CORES, PER_MINUTE = "count:records/min", "count:cores", "count:/min"
SECONDS, PERCENT, SHARE, COUNT = "s", "percent", "percentunit", "short"
BYTES, BYTES_A_SECOND, A_SECOND = "bytes", "Bps", "reqps"

Panel = Any  # a builder of a panel: the kinds share methods, but no type that has them


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL, whose every `{…}` is narrowed to the agents that are chosen; legend: of its series."""

    expr: str
    legend: str = "{{instance}}"


@dataclass(frozen=True, slots=True)
class Column:
    """Of a table: one value a row; label: the value of this label instead of the query's."""

    title: str
    unit: str
    expr: str
    limits: Limits = NONE
    label: str = ""


def chosen(expr: str) -> str:
    """a{} becomes a{job=~"$job", instance=~"$instance"}; what has no braces stays as it is written."""
    return expr.replace("{}", "{" + SELECTED + "}").replace("{,", "{" + SELECTED + ",")


def graph(
    title: str, says: str, unit: str, *queries: Query, limits: Limits = NONE, width: int = 8, stacked: bool = False
) -> Panel:
    """Lines over time; limits are drawn across them."""
    panel = timeseries.Panel().line_width(1).fill_opacity(25 if stacked else 8).show_points(c.VisibilityMode.NEVER)
    panel.legend(
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(c.LegendDisplayMode.LIST)
        .placement(c.LegendPlacement.BOTTOM)
    )
    panel.tooltip(common.VizTooltipOptions().mode(c.TooltipDisplayMode.MULTI).sort(c.SortOrder.DESCENDING))
    panel.min(0)
    if stacked:
        panel.stacking(common.StackingConfig().mode(c.StackingMode.NORMAL).group("A"))
    if limits.steps:
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(c.GraphThresholdsStyleMode.DASHED))
    return _finished(panel, title, says, unit, limits, (width, 8), [_range(query) for query in queries])


def figure(
    title: str, says: str, unit: str, expr: str, limits: Limits = NONE, width: int = 3, absent: str = "no data"
) -> Panel:
    """One number, now. absent: what is shown when there is none."""
    panel = stat.Panel().color_mode(c.BigValueColorMode.BACKGROUND).graph_mode(c.BigValueGraphMode.NONE)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"])).no_value(absent)
    return _finished(panel, title, says, unit, limits, (width, 4), [_instant(Query(expr, title))])


def states(title: str, says: str, query: Query, named: Sequence[tuple[str, str, str]] = (), width: int = 12) -> Panel:
    """What holds when, as coloured bars. named: values, their words and their colours."""
    panel = statetimeline.Panel().merge_values(True).show_value(c.VisibilityMode.AUTO)
    if named:
        words = {value: d.ValueMappingResult(text=text, color=colour) for value, text, colour in named}
        panel.mappings([d.ValueMap(options=words)])
    return _finished(panel, title, says, COUNT, NONE, (width, 8), [_range(query)])


def bars(title: str, says: str, unit: str, query: Query, limits: Limits = NONE, width: int = 8) -> Panel:
    """The agents side by side, now."""
    panel = bargauge.Panel().orientation(c.VizOrientation.HORIZONTAL).display_mode(c.BarGaugeDisplayMode.BASIC).min(0)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    return _finished(panel, title, says, unit, limits, (width, 8), [_instant(query)])


def spread(title: str, says: str, expr: str, width: int = 12) -> Panel:
    """How the values of a histogram are spread over time; its edges are the metric's."""
    target = _range(Query(expr, "{{le}}")).format(PromQueryFormat.HEATMAP)
    return _finished(heatmap.Panel().calculate(False), title, says, SECONDS, NONE, (width, 8), [target])


def rows(title: str, says: str, key: str, key_title: str, columns: Sequence[Column]) -> Panel:
    """A table, now: a row for each value of the label `key`, which all its columns' queries have."""
    panel = table.Panel().show_header(True)
    values = [f"Value #{_ref(place)}" for place in range(len(columns))]
    names = {column.label or value: column.title for value, column in zip(values, columns, strict=True)}
    hidden = ["Time", *(value for value, column in zip(values, columns, strict=True) if column.label)]
    order = {
        "excludeByName": dict.fromkeys(hidden, True),
        "indexByName": {},
        "renameByName": {key: key_title, **names},
    }
    panel.with_transformation(d.DataTransformerConfig(id_val="merge", options={}))
    panel.with_transformation(d.DataTransformerConfig(id_val="organize", options=order))
    for column in columns:
        shown = [d.DynamicConfigValue(id_val="unit", value=column.unit)]
        if column.limits.steps:
            shown += [
                d.DynamicConfigValue(id_val="thresholds", value=_thresholds(column.limits).build()),
                d.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-text"}),
            ]
        panel.override_by_name(column.title, shown)
    targets = [_instant(Query(column.expr, "")).format(PromQueryFormat.TABLE) for column in columns]
    return _finished(panel, title, says, COUNT, NONE, (24, 8), targets)


def _finished(
    panel: Panel, title: str, says: str, unit: str, limits: Limits, size: tuple[int, int], targets: list[Any]
) -> Panel:
    """What every panel has."""
    panel.title(title).description(says).datasource(SOURCE).unit(unit).span(size[0]).height(size[1])
    panel.thresholds(_thresholds(limits))
    for place, target in enumerate(targets):
        panel.with_target(target.ref_id(_ref(place)).datasource(SOURCE))
    return panel


def _thresholds(limits: Limits) -> b.ThresholdsConfig:
    steps = [(None, limits.first), *limits.steps]
    return b.ThresholdsConfig().mode(d.ThresholdsMode.ABSOLUTE).steps([d.Threshold(*step) for step in steps])


def _range(query: Query) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(chosen(query.expr)).legend_format(query.legend).range()


def _instant(query: Query) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(chosen(query.expr)).legend_format(query.legend).instant()


def _ref(place: int) -> str:
    return chr(ord("A") + place)
