"""The alert rules: they name what the agents expose, each has its page and its tests, and promtool runs those."""

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

import promql

_ROOT = Path(__file__).parents[2]
_RULES_FILE = _ROOT / "prometheus" / "extraction.rules.yml"
_TESTS = sorted((_ROOT / "prometheus" / "tests").glob("*.yml"))
_RUNBOOKS = _ROOT / "docs" / "how-to" / "runbooks"
_PROMTOOL = shutil.which("promtool")


def _rules() -> list[dict[str, Any]]:
    return [
        rule for group in yaml.safe_load(_RULES_FILE.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]
    ]


_RULES = _rules()
_ALERTS = {rule["alert"]: rule for rule in _RULES if "alert" in rule}
_RECORDED = {rule["record"] for rule in _RULES if "record" in rule}


def _tried() -> Counter[tuple[str, bool]]:
    """How often the tests of promtool look at each alert, and see it fire or not."""
    tests = [test for path in _TESTS for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]]
    tried = [one for test in tests for one in test["alert_rule_test"]]
    return Counter((one["alertname"], bool(one["exp_alerts"])) for one in tried)


def test_alerts_are_found() -> None:
    assert {"ExtractionPerformanceDegraded", "ExtractionAgentDown", "ExtractionAuditChainBroken"} <= set(_ALERTS)


@pytest.mark.parametrize("rule", _RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_rules_name_what_there_is(rule: dict[str, Any]) -> None:
    """A metric or label that is renamed in the code is missed here."""
    named = promql.series(rule["expr"])
    assert named
    assert named <= promql.known_series(_RECORDED)
    assert promql.labels(rule["expr"]) <= promql.known_labels()


@pytest.mark.parametrize(
    ("expression", "names", "labels"),
    [
        ('sum by (job) (rate(a_total{kind="b"}[5m])) / on (job) c:d > 0.5e3', {"a_total", "c:d"}, {"job", "kind"}),
        (
            "histogram_quantile(0.95, sum by (le) (rate(a_bucket[1h] offset 5m))) and b or c",
            {"a_bucket", "b", "c"},
            {"le"},
        ),
        ("job:extraction_throughput > Inf unless vector(1)", {"job:extraction_throughput"}, set()),
    ],
)
def test_names_are_read(expression: str, names: set[str], labels: set[str]) -> None:
    assert promql.series(expression) == names
    assert promql.labels(expression) == labels


@pytest.mark.parametrize("alert", _ALERTS)
def test_each_alert_has_its_page(alert: str) -> None:
    annotations = _ALERTS[alert]["annotations"]
    assert annotations["summary"]
    page = _ROOT / annotations["runbook_url"]
    assert page == _RUNBOOKS / f"{alert}.md"
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {alert}\n")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings == ["What it means", "What to look at", "What to do", "When it resolves"]


def test_each_page_has_its_alert() -> None:
    pages = {page.stem for page in _RUNBOOKS.glob("*.md")}
    assert pages - {"README"} == set(_ALERTS)  # which tells what all of them rely on


def test_the_role_finds_what_its_variables_replace() -> None:
    defaults = yaml.safe_load((_ROOT / "roles" / "monitoring" / "defaults" / "main.yml").read_text(encoding="utf-8"))
    text = _RULES_FILE.read_text(encoding="utf-8")
    assert text.count(str(defaults["extraction_monitoring_watermark_lag_seconds"])) == 1
    assert text.count(defaults["extraction_monitoring_runbooks"]) == len(_ALERTS)


@pytest.mark.parametrize("alert", _ALERTS)
def test_each_alert_is_tried(alert: str) -> None:
    tried = _tried()
    assert tried[alert, True], "no test of promtool sees it fire"
    assert tried[alert, False], "no test of promtool sees that it does not fire"


def test_each_alert_is_silent_in_an_idle_night() -> None:
    (night,) = yaml.safe_load((_TESTS[0].parent / "idle_night.yml").read_text(encoding="utf-8"))["tests"]
    assert {one["alertname"] for one in night["alert_rule_test"] if one["eval_time"] == "8h"} == set(_ALERTS)
    seen = {re.split(r"[ {]", one["series"])[0] for one in night["input_series"]}
    assert seen >= {name for rule in _RULES for name in promql.series(rule["expr"])} - _RECORDED, "nothing to fire on"


@pytest.mark.ci
@pytest.mark.skipif(_PROMTOOL is None, reason="promtool is not installed (Debian: prometheus)")
def test_alerts_fire_when_they_should() -> None:
    assert _PROMTOOL is not None
    done = subprocess.run([_PROMTOOL, "test", "rules", *_TESTS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("SUCCESS") == len(_TESTS)
