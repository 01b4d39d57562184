"""What both dashboards have around their panels: the choice of agents, marks of rollouts, a link to each other."""

import json
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import dashboard as b
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as d

from grafana.panels import SOURCE, Panel, chosen

FOLDER = Path(__file__).parent / "dashboards"
TAG = "extraction"


class Mark(Builder[d.AnnotationQuery], d.AnnotationQuery):
    """A query of Prometheus whose series are marked; the library's model has no words for them."""

    def __init__(self, name: str, expr: str, colour: str, title: str, text: str) -> None:
        """title, text: with {{label}}s."""
        super().__init__(name=name, datasource=SOURCE, enable=True, icon_color=colour, expr=chosen(expr))
        self._words = {"titleFormat": title, "textFormat": text, "step": "15s"}

    def to_json(self) -> dict[str, object]:
        return {**super().to_json(), **self._words}

    def build(self) -> d.AnnotationQuery:
        return self


_MARKS = (
    Mark(
        "Generations",
        'count_values by (job, instance) ("generation", '
        "extraction_generation{} and changes(extraction_generation{}[1m]) > 0)",
        "blue",
        "Generation {{generation}}",
        "{{instance}} runs generation {{generation}}",
    ),
    Mark("Trials", "extraction_trial{} == 1", "purple", "On trial", "{{instance}} tries a generation"),
    Mark(
        "Alerts",
        'ALERTS{alertname=~"Extraction.*", alertstate="firing"}',
        "red",
        "{{alertname}}",
        "{{alertname}} {{instance}}",
    ),
)


def begin(title: str, uid: str, says: str, since: str) -> b.Dashboard:
    """A dashboard without panels. since: what it shows first, "now-1h"."""
    made = b.Dashboard(title).uid(uid).description(says).tags([TAG]).time(since, "now").refresh("30s")
    made.timezone("browser").editable().tooltip(d.DashboardCursorSync.CROSSHAIR)
    made.variables(
        [
            b.DatasourceVariable("datasource").label("Prometheus").type("prometheus"),
            _agents("job", "Job", "label_values(extraction_agent_build_info, job)"),  # or all would be strangers too
            _agents("instance", "Agent", 'label_values(extraction_agent_build_info{job=~"$job"}, instance)', ".+"),
        ]
    )
    made.annotations(list(_MARKS))
    link = b.DashboardLink("Extraction").type(d.DashboardLinkType.DASHBOARDS).tags([TAG])
    return made.link(link.include_vars(True).keep_time(True).as_dropdown(False))


def _agents(name: str, label: str, query: str, whole: str | None = None) -> b.QueryVariable:
    """A choice of several, or all. whole: what all match; None: those that the query has found."""
    made = b.QueryVariable(name).label(label).datasource(SOURCE).query(query)
    made.multi(True).include_all(True).current(d.VariableOption(text="All", value="$__all"))
    if whole is not None:
        made.all_value(whole)
    return made.refresh(d.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(d.VariableSort.ALPHABETICAL_ASC)


def row(made: b.Dashboard, title: str, *panels: Panel) -> None:
    """Panels under a heading."""
    made.with_row(b.Row(title))
    for panel in panels:
        made.with_panel(panel)


def folded(made: b.Dashboard, title: str, *panels: Panel) -> None:
    """The same, asked for only when it is opened."""
    heading = b.Row(title)
    for panel in panels:
        heading.with_panel(panel)
    made.with_row(heading)


def text(made: b.Dashboard) -> str:
    """As Grafana reads it. Panels are numbered in their order."""
    shown: dict[str, Any] = json.loads(json.dumps(made.build(), cls=JSONEncoder))
    number = 0
    for panel in shown["panels"]:
        for one in [panel, *panel.get("panels", [])]:
            number += 1
            one["id"] = number
    return json.dumps(shown, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
