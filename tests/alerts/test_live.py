"""A real Prometheus, a real Alertmanager and whom it tells: silent at night, and each alert by its true cause."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from alertmanager import Alertmanager, Receiver
from alerts.causes import CAUSES
from alerts.scaled import scaled
from alerts.scene import Scene
from prometheus import Prometheus
from support import Database

_RULES = Path(__file__).parents[2] / "prometheus" / "extraction.rules.yml"
_NIGHT = 8.0  # s: longer than any `for:` of the scaled rules together with some scrapes
_PATIENCE = 60.0  # s


def _alerts() -> set[str]:
    groups = yaml.safe_load(_RULES.read_text(encoding="utf-8"))["groups"]
    return {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}


def test_every_alert_has_a_cause() -> None:
    assert set().union(*CAUSES.values()) == _alerts()


@pytest.mark.ci
def test_alerts_come_by_their_causes_and_go_with_them(make_database: Callable[[str], Database], tmp_path: Path) -> None:
    rules = tmp_path / "scaled.rules.yml"
    rules.write_text(scaled(_RULES.read_text(encoding="utf-8")), encoding="utf-8")
    with ExitStack() as stack:
        scene = stack.enter_context(Scene(tmp_path, make_database))
        receiver = stack.enter_context(Receiver())
        alertmanager = stack.enter_context(Alertmanager(tmp_path / "alertmanager", receiver.url))
        prometheus = stack.enter_context(
            Prometheus(
                tmp_path / "prometheus",
                [daemon.url for daemon in scene.daemons],
                rules=rules,
                alertmanager=alertmanager.url,
            )
        )
        _idle_night(scene, prometheus, receiver)
        begun = time.monotonic()
        with ExitStack() as causes:
            for cause in CAUSES:
                causes.enter_context(cause(scene))
            _wait_for_all(receiver, "firing")
            fired, before = time.monotonic(), receiver.count
        _wait_for_all(receiver, "resolved", before)
        print(f"all fired after {fired - begun:.1f} s, all resolved after {time.monotonic() - fired:.1f} s more")


def _wait_for_all(receiver: Receiver, status: str, since: int = 0) -> None:
    """Until it was told so of every alert."""
    deadline = time.monotonic() + _PATIENCE
    while left := _alerts() - receiver.told(status, since):
        assert time.monotonic() < deadline, f"nobody was told that these are {status}: {', '.join(left)}"
        time.sleep(0.1)


def _idle_night(scene: Scene, prometheus: Prometheus, receiver: Receiver) -> None:
    """Agents that are well and have nothing to do: every rule is evaluated, and nobody is told of anything."""
    prometheus.wait_for("up", lambda value: value == 1)
    begun = time.monotonic()
    scene.furnish()
    time.sleep(max(_NIGHT - (time.monotonic() - begun), 0))
    rules = prometheus.rules()
    assert {rule["name"] for rule in rules} >= _alerts()
    assert {rule["health"] for rule in rules} == {"ok"}, rules
    assert {value for _, value in prometheus.ask("extraction_sampler_up")} == {1}
    assert prometheus.ask('ALERTS{alertstate="firing"}') == []
    assert receiver.count == 0
