"""The dashboards are what the code makes, and Grafana can tell their panels, queries and sources apart."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana import limits, queries
from grafana.__main__ import DASHBOARDS
from grafana.frame import text
from grafana.panels import Query, chosen, graph
from plugins.module_utils import exposition

import promql
from benchmarks import sampler
from dashboards.boards import FOLDER, NAMES, Asked, asked, load, marks, panels
from extraction_agent import errors, profiles
from extraction_agent.interfaces.api import problems
from extraction_agent.pipeline import lanes

_ROOT = Path(__file__).parents[2]
_WIDTH = 24  # of Grafana's grid
_BOARDS = [load(name) for name in NAMES]
_EACH = pytest.mark.parametrize("board", _BOARDS, ids=[board["uid"] for board in _BOARDS])
_QUERIES = [one for board in _BOARDS for one in (*asked(board), *marks(board))]
_GENERATION = "generation"  # a label that a query makes, not a metric


@pytest.mark.parametrize("name", NAMES)
def test_files_are_what_the_code_makes(name: str) -> None:
    written = (FOLDER / name).read_text(encoding="utf-8")
    assert written == text(DASHBOARDS[name]()), "run `make dashboards`"


def test_all_files_are_known() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(NAMES) == set(DASHBOARDS)


def test_the_two_have_the_names_they_were_asked_for() -> None:
    assert [board["title"] for board in _BOARDS] == ["Extraction Performance", "Extraction Analytics"]
    assert len({board["uid"] for board in _BOARDS}) == len(_BOARDS)
    assert all(len(board["uid"]) <= 40 for board in _BOARDS), "Grafana takes no longer ones"


@pytest.mark.parametrize(
    "query",
    [
        "rate(extraction_records_extracted_total[5m]) * 60",
        "histogram_quantile(0.95, rate(http_request_duration_seconds_bucket[5m]))",
        "hikari_pool_active_connections / hikari_pool_max_connections * 100",
        "rate(extraction_errors_total[5m]) * 60",
    ],
)
def test_the_four_queries_stand_as_they_were_asked_for(query: str) -> None:
    assert query in {one.expr for one in asked(_BOARDS[0])}


@_EACH
def test_panels_have_an_id_and_a_title_of_their_own(board: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in panels(board)]
    assert sorted(ids) == list(range(1, len(ids) + 1))
    assert len(ids) > 15
    row, seen = "", set()
    for panel in panels(board):
        row = panel["title"] if panel["type"] == "row" else row
        place = (row, panel["type"] == "row", panel["title"])
        assert place not in seen, f"two panels {panel['title']} in the row {row}"
        seen.add(place)


@_EACH
def test_queries_of_a_panel_are_told_apart(board: dict[str, Any]) -> None:
    for panel in panels(board):
        if panel["type"] != "row":
            refs = [target["refId"] for target in panel["targets"]]
            assert refs, f"{panel['title']} asks nothing"
            assert len(refs) == len(set(refs)), panel["title"]


@_EACH
def test_everything_asks_the_data_source_that_is_chosen(board: dict[str, Any]) -> None:
    variables = {one["name"]: one for one in board["templating"]["list"]}
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == ("datasource", "prometheus")
    shown = [panel for panel in panels(board) if panel["type"] != "row"]
    targets = [target for panel in shown for target in panel["targets"]]
    choices = [variables["job"], variables["instance"]]
    for one in (*shown, *targets, *choices, *board["annotations"]["list"]):
        assert one["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def _misplaced(board: dict[str, Any]) -> list[str]:
    """Panels that lie over another, or over the edge."""
    found = []
    for level in (board["panels"], *(panel["panels"] for panel in board["panels"] if panel.get("panels"))):
        taken: set[tuple[int, int]] = set()
        for panel in level:
            place = panel["gridPos"]
            columns, lines = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
            cells = set(itertools.product(columns, lines))
            if not cells or cells & taken or columns.stop > _WIDTH:
                found.append(panel["title"])
            taken |= cells
    return found


@_EACH
def test_panels_do_not_overlap(board: dict[str, Any]) -> None:
    assert _misplaced(board) == []


def test_an_overlap_would_be_seen() -> None:
    """The library places a panel that is too wide for what is left of a line over the edge."""
    made = DASHBOARDS[NAMES[0]]()
    for width in (20, 8):
        made.with_panel(graph(f"{width} wide", "of a test", "short", Query("up{}"), width=width))
    assert _misplaced(json.loads(text(made))) == ["8 wide"]
    board = load(NAMES[0])
    board["panels"][2]["gridPos"] = board["panels"][1]["gridPos"]
    assert _misplaced(board) == [board["panels"][2]["title"]]


@_EACH
def test_every_panel_says_what_to_do_and_in_what_unit(board: dict[str, Any]) -> None:
    for panel in panels(board):
        if panel["type"] != "row":
            assert len(panel["description"]) > 30, panel["title"]
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
    descriptions = [panel["description"] for panel in panels(board) if panel["type"] != "row"]
    assert len(descriptions) == len(set(descriptions))


@_EACH
def test_columns_of_tables_are_what_their_queries_give(board: dict[str, Any]) -> None:
    tables = [panel for panel in panels(board) if panel["type"] == "table"]
    assert len(tables) == (2 if board["uid"] == "extraction-analytics" else 0)
    for panel in tables:
        values = {f"Value #{target['refId']}" for target in panel["targets"]}
        labels = {label for target in panel["targets"] for label in promql.labels(target["expr"])}
        (order,) = [one["options"] for one in panel["transformations"] if one["id"] == "organize"]
        renamed, hidden = set(order["renameByName"]), set(order["excludeByName"])
        assert renamed <= values | labels
        assert hidden <= values | {"Time"}
        assert renamed | hidden >= values, "a column without a name"
        titles = set(order["renameByName"].values())
        assert {one["matcher"]["options"] for one in panel["fieldConfig"]["overrides"]} <= titles
        assert all(target["format"] == "table" and target["instant"] for target in panel["targets"])


@_EACH
def test_descriptions_point_at_what_there_is(board: dict[str, Any]) -> None:
    titles = {panel["title"] for one in _BOARDS for panel in panels(one)} | {"idle"}
    for panel in panels(board):
        for named in re.findall(r"(?<!\w)'([^']+)'(?!\w)", panel.get("description") or ""):
            assert named in titles, f"{panel['title']} points at {named}, which is no panel"


@pytest.mark.parametrize("one", _QUERIES, ids=lambda one: one.where)
def test_queries_name_what_the_agent_exposes(one: Asked) -> None:
    """A metric or label that is renamed in the code is missed here."""
    named = promql.series(one.filled)
    assert named
    assert named <= promql.known_series(["ALERTS"])
    assert promql.labels(one.filled) <= promql.known_labels() | {_GENERATION, "version", "alertname", "alertstate"}


def test_a_renamed_metric_would_be_seen() -> None:
    renamed = Asked("", "sum(rate(extraction_rows_extracted_total{}[$__rate_interval]))", "")
    assert not promql.series(renamed.filled) <= promql.known_series()


def test_choices_list_what_the_agent_exposes() -> None:
    for board in _BOARDS:
        for one in board["templating"]["list"]:
            if one["type"] == "query":
                named = re.fullmatch(r"label_values\((\w+)(?:\{.*\})?, (job|instance)\)", one["query"])
                assert named is not None
                assert named[1] in promql.known_series()


@_EACH
def test_all_are_agents_and_no_strangers(board: dict[str, Any]) -> None:
    """What an imported-into Prometheus scrapes besides, itself say, has `up` and `process_…` too."""
    job, instance = (one for one in board["templating"]["list"] if one["type"] == "query")
    assert (job["name"], job["includeAll"], job.get("allValue")) == ("job", True, None), "All: what the query finds"
    assert job["query"] == "label_values(extraction_agent_build_info, job)"
    assert (instance["name"], instance["allValue"]) == ("instance", ".+"), "one that is away has no info, but is meant"


def test_the_fullest_pool_is_none_of_the_lanes() -> None:
    """They are full whenever there is work: red would mean that all is well."""
    fullest = [one for one in _QUERIES if "hikari_pool_max_connections{" in one.expr and "/" in one.expr]
    assert len(fullest) == 4, "the figure, the agents' table, the generations' table and graph"
    for one in fullest:
        found = re.findall(r'hikari_pool_(?:active|max)_connections\{[^}]*pool!~"([^"]+)"\}', one.expr)
        assert len(found) == one.expr.count("hikari_pool_") == 2, one.where
        for excluded in found:
            assert re.fullmatch(excluded, lanes._STORE), one.where
            assert re.fullmatch(excluded, lanes._of_sources("postgresql")), one.where
            assert not re.fullmatch(excluded, "store"), one.where
    assert all(name.startswith(sampler._LANES) for name in (lanes._STORE, lanes._of_sources("mysql")))


def test_attempts_that_failed_are_of_those_that_the_judge_counts() -> None:
    (one,) = [one for one in _QUERIES if one.where.endswith(": Attempts at chunks that failed A")]
    assert re.findall(r'result(=~?)"([^"]+)"', one.expr) == [("=", "failed"), ("=~", "|".join(exposition._WAYS))]


def test_a_refused_caller_is_told_what_the_panel_says() -> None:
    (panel,) = [panel for panel in panels(_BOARDS[0]) if panel["title"] == "Calls ended and refused"]
    (status,) = [status for error, status in problems._STATUS if error is errors.Busy]
    assert f"callers were told {status.value}." in panel["description"]


def test_only_the_four_are_of_every_agent() -> None:
    whole = [one.expr for board in _BOARDS for one in asked(board) if "$instance" not in one.expr]
    assert len(whole) == 4


def test_braces_are_narrowed() -> None:
    wanted = 'a{job=~"$job", instance=~"$instance"} / b{job=~"$job", instance=~"$instance", c="d"} + e'
    assert chosen('a{} / b{, c="d"} + e') == wanted


def test_limits_are_those_that_were_promised() -> None:
    """By the panels as they are drawn: the user's figures in the colours' steps."""
    steps = {
        (board["title"], panel["title"]): [
            step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        ]
        for board in _BOARDS
        for panel in panels(board)
        if panel["type"] == "timeseries"
    }
    performance = "Extraction Performance"
    assert steps[performance, "Records committed"] == [None, 10_000, 15_000, 20_000]
    assert steps[performance, "API latency, p95"] == [None, 0.2]
    assert steps[performance, "Latency"] == [None, 0.2, 0.5]
    assert steps[performance, "Use of the pools"] == [None, 80]
    assert steps[performance, "Statements, p95"] == [None, 0.05]
    assert profiles.Gates().throughput_records_per_minute == 20_000


def _rule(name: str) -> str:
    """What an alert or a recorded series is of."""
    groups = yaml.safe_load((_ROOT / "prometheus" / "extraction.rules.yml").read_text(encoding="utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    (found,) = [str(rule["expr"]) for rule in rules if rule.get("alert", rule.get("record")) == name]
    return found


def test_the_alert_is_where_the_dashboard_draws_it() -> None:
    assert f"< {limits.ALERT:.0f}" in _rule("ExtractionPerformanceDegraded")


def test_the_alert_takes_what_the_dashboard_shows() -> None:
    """One definition of what the fleet moves: the alert's over two minutes, the dashboard's over a point's time."""
    recorded = "job:extraction_throughput_records_per_minute:sum"
    shown = queries.FLEET_AT_WORK.replace("{}", "").replace("sum(", "sum by (job) (")
    assert shown == f"avg_over_time(({_rule(recorded)})[$__rate_interval:])"
    assert f"avg_over_time({recorded}[2m])" in _rule("ExtractionPerformanceDegraded")
