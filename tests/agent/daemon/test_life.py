"""The life cycle: ready, reload, drain, watchdog, exit statuses, each as systemd sees it."""

import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from agent.daemon.conftest import MakeDaemon
from daemons import Daemon, Manager, until
from extraction_agent.notify import Systemd

PROGRAM = [sys.executable, str(Path(__file__).parent / "program.py")]
WATCHDOG_SECONDS = 0.6
WATCHDOG = {"WATCHDOG_USEC": str(int(WATCHDOG_SECONDS * 1_000_000))}


def test_ready_only_once_it_answers(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon().start(ready=False)
    status = daemon.manager.wait_for("STATUS")
    assert status["STATUS"].startswith("starting ")
    assert "READY" not in status
    assert daemon.manager.wait_for("READY")["READY"] == "1"
    assert daemon.ask("/liveness").status == 200


def test_a_taken_port_is_a_failure_never_ready(make_daemon: MakeDaemon, daemon: Daemon) -> None:
    other = make_daemon()
    other.configure(api={"port": int(daemon.url.rsplit(":", 1)[1])})
    other.start(ready=False)
    assert other.wait() == 1
    assert other.said("cannot listen on 127.0.0.1:")
    assert not [message for message in other.manager.drain() if "READY" in message]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains(daemon: Daemon, number: signal.Signals) -> None:
    daemon.signal(number)
    assert daemon.wait() == 0
    assert [message["STOPPING"] for message in daemon.manager.drain() if "STOPPING" in message] == ["1"]


def test_a_second_signal_ends_it_at_once(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(program=[*PROGRAM, "stuck"]).start()
    daemon.signal(signal.SIGTERM)
    daemon.manager.wait_for("STOPPING")
    assert daemon.process.poll() is None
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(5) == 1  # far less than its drain_seconds
    assert daemon.said("A second signal: ended at once.")


@pytest.mark.parametrize("kind", ["stuck", "blocking"])
def test_a_drain_ends_hard_at_its_deadline(make_daemon: MakeDaemon, kind: str) -> None:
    daemon = make_daemon(program=[*PROGRAM, kind])
    daemon.configure(drain_seconds=1)
    daemon.start()
    begun = time.monotonic()
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(10) == 1
    assert time.monotonic() - begun >= 1
    assert daemon.said(f"The drain took more than drain_seconds, 1 s, with {kind}: ended hard.")


def test_a_component_that_fails_ends_it(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(program=[*PROGRAM, "failing"]).start()
    assert daemon.wait() == 1
    assert daemon.said("The daemon ends: nobody can mend this.")


# Reload


def test_a_reload_is_told_with_its_time(daemon: Daemon) -> None:
    daemon.manager.drain()
    before = time.monotonic_ns() // 1000
    daemon.signal(signal.SIGHUP)
    reloading = daemon.manager.wait_for("RELOADING")
    assert before <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    assert daemon.manager.wait_for("READY") == {"READY": "1", "STATUS": "ready, reloaded"}
    daemon.stop()


def test_a_broken_file_changes_nothing_and_says_so(daemon: Daemon) -> None:
    daemon.file.write_text("store: {url: 'postgresql://x@y/z'}\napi: {prot: 1}\n", encoding="utf-8")
    answer = daemon.reload()
    assert answer["STATUS"].startswith("The reload failed and changed nothing: ")
    assert "unknown key api.prot: did you mean port?" in answer["STATUS"]
    assert daemon.said(answer["STATUS"])
    assert daemon.ask("/liveness").status == 200
    daemon.configure()
    assert daemon.reload()["STATUS"] == "ready, reloaded"
    daemon.stop()


def test_what_only_a_restart_can_follow_is_refused(daemon: Daemon) -> None:
    daemon.configure(api={"port": 1})
    answer = daemon.reload()
    assert "api.port changed, which only a restart can follow" in answer["STATUS"]
    assert daemon.ask("/liveness").status == 200


def test_a_reload_that_fails_half_way_is_taken_back(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(program=[*PROGRAM, "refusing"]).start()
    daemon.configure(drain_seconds=7)
    answer = daemon.reload()
    assert answer["STATUS"] == "The reload failed and changed nothing: no room."
    assert [one["message"] for one in daemon.log if "drain_seconds" in one["message"]] == [
        "drain_seconds 7",
        "drain_seconds 30",
    ]


# Watchdog


def test_the_watchdog_is_fed(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(**WATCHDOG).start()
    for _ in range(5):
        daemon.manager.wait_for("WATCHDOG")
    daemon.stop()


def test_a_watchdog_meant_for_another_process_is_not_fed(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(**WATCHDOG, WATCHDOG_PID="1").start()
    time.sleep(2 * WATCHDOG_SECONDS)
    assert not [message for message in daemon.manager.drain() if "WATCHDOG" in message]


def test_a_blocked_loop_starves_the_watchdog(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(program=[*PROGRAM, "blockable"], **WATCHDOG).start()
    daemon.manager.wait_for("WATCHDOG")
    daemon.signal(signal.SIGUSR1)
    time.sleep(0.1)
    daemon.manager.drain()
    assert daemon.manager.receive(3 * WATCHDOG_SECONDS) is None
    assert daemon.process.poll() is None


def test_a_late_component_starves_the_watchdog_until_it_moves(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(program=[*PROGRAM, "late"], **WATCHDOG).start()
    daemon.manager.wait_for("WATCHDOG")
    daemon.signal(signal.SIGUSR1)
    until(lambda: daemon.said("The watchdog is not fed: the heart has stopped."))
    daemon.manager.drain()
    assert daemon.manager.receive(3 * WATCHDOG_SECONDS) is None
    daemon.signal(signal.SIGUSR1)
    daemon.manager.wait_for("WATCHDOG")
    daemon.stop()


# Notifications


@pytest.mark.parametrize("abstract", [True, False])
def test_messages_arrive_on_either_kind_of_socket(tmp_path: Path, abstract: bool) -> None:
    manager = Manager(f"@{tmp_path}" if abstract else str(tmp_path / "n"))
    try:
        systemd = Systemd({"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "3000000"}, 1)
        assert systemd.watchdog_seconds == 3
        systemd.tell(READY=1, STATUS="two\nlines")
        assert manager.receive(5) == {"READY": "1", "STATUS": "two lines"}
    finally:
        manager.close()


def test_a_change_of_state_waits_for_a_manager_that_is_behind(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    manager = Manager(str(tmp_path / "n"))
    try:
        systemd = Systemd({"NOTIFY_SOCKET": manager.address}, 1)
        while not caplog.messages:
            systemd.tell(STATUS="busy")
        assert caplog.messages == ["systemd was not told STATUS: Resource temporarily unavailable."]
        reader = threading.Timer(0.2, manager.drain)
        reader.start()
        systemd.tell(READY=1)
        reader.join()
        assert len(caplog.messages) == 1
        assert {"READY": "1"} in [*manager.told, *manager.drain()]
    finally:
        manager.close()


def test_without_systemd_nothing_is_told() -> None:
    systemd = Systemd({}, 1)
    assert systemd.watchdog_seconds is None
    systemd.tell(READY=1)


def test_a_manager_that_is_gone_harms_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Systemd({"NOTIFY_SOCKET": str(tmp_path / "gone")}, 1).tell(READY=1)
    assert caplog.messages == ["systemd was not told READY: No such file or directory."]
