"""Generations on disk: whatever ends the machine, and whenever, the next start lands on a whole, allowed generation."""

import errno
import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from agent.tuning.crashes import Crash, failing
from extraction_agent import errors
from extraction_agent.profiles import Profile
from extraction_agent.tuning.generations import STARTED, Generation, Generations, Moment

TRIAL = 60.0  # s
Change = Callable[[Generations], object]


class _Clock:
    """Of a machine that can be started anew."""

    def __init__(self) -> None:
        self.now = Moment(seconds=1000, boot="one")

    def __call__(self) -> Moment:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now = Moment(seconds=self.now.seconds + seconds, boot=self.now.boot)

    def boot(self) -> None:
        self.now = Moment(seconds=5, boot=f"{self.now.boot} more")


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def confirmed(folder: Path, clock: _Clock) -> Path:
    """The folder of a host with generation 1 confirmed."""
    _prepared(folder, clock, on_trial=False).close()
    return folder


def _generation(number: int, token: int | None = None) -> Generation:
    profile = Profile(name=f"profile{number}", description="of a test")
    return Generation(number=number, rollout=number, token=token or number, profile=profile)


def _start(folder: Path, clock: _Clock, *, settled: bool = True) -> int:
    """What the next start begins with; 0: the configuration's."""
    if settled:
        with closing(Generations(folder, clock)) as before:
            before.settle()
    with closing(Generations(folder, clock)) as agent:
        begun = agent.begin()
        assert agent.saved
        return 0 if begun is None else begun.number


def test_a_new_host_has_none(folder: Path, clock: _Clock) -> None:
    assert _start(folder, clock) == 0
    assert (folder.stat().st_mode & 0o777) == 0o700


def test_a_confirmed_generation_outlasts_starts_and_boots(confirmed: Path, clock: _Clock) -> None:
    assert _start(confirmed, clock) == 1
    clock.boot()
    assert _start(confirmed, clock) == 1


@pytest.fixture
def on_trial(folder: Path, clock: _Clock) -> Callable[[bool], Path]:
    """A host whose generation 2 is on trial and whose agent has ended; 1 is confirmed."""

    def make(restart: bool) -> Path:
        with closing(Generations(folder, clock)) as made:
            made.try_(_generation(1), TRIAL, 0, restart=False)
            made.confirm()
            made.try_(_generation(2), TRIAL, 0.25, restart=restart)
        return folder

    return make


@pytest.mark.parametrize("settled", [True, False])
def test_a_start_during_a_trial_goes_back(on_trial: Callable[[bool], Path], clock: _Clock, settled: bool) -> None:
    folder = on_trial(False)
    assert _start(folder, clock, settled=settled) == 1
    with closing(Generations(folder, clock)) as after:
        assert after.state.trial is None
        assert after.state.ended is not None
        assert (after.state.ended.number, after.state.ended.reason, after.state.ended.told) == (2, STARTED, False)
        assert after.state.token == 2, "the highest token is never forgotten"


def test_a_planned_restart_is_allowed_once(on_trial: Callable[[bool], Path], clock: _Clock) -> None:
    folder = on_trial(True)
    clock.wait(TRIAL / 2)
    assert _start(folder, clock) == 2
    with closing(Generations(folder, clock)) as agent:
        trial = agent.state.trial
        assert trial is not None
        assert (trial.tries_left, trial.granted, trial.failed_before) == (0, False, 0.25)
        assert agent.left() == TRIAL / 2
    assert _start(folder, clock) == 1


def test_a_start_that_was_granted_and_died_is_not_granted_again(
    on_trial: Callable[[bool], Path], clock: _Clock
) -> None:
    folder = on_trial(True)
    for expected in ("generation 2, on trial, as planned", "goes back to generation 1"):
        with closing(Generations(folder, clock)) as settling:
            assert expected in settling.settle()
    assert _start(folder, clock) == 1


def test_without_its_settling_a_planned_restart_goes_back(on_trial: Callable[[bool], Path], clock: _Clock) -> None:
    assert _start(on_trial(True), clock, settled=False) == 1


@pytest.mark.parametrize("between", ["its deadline", "a boot"])
def test_a_planned_restart_that_comes_too_late_goes_back(
    on_trial: Callable[[bool], Path], clock: _Clock, between: str
) -> None:
    folder = on_trial(True)
    clock.boot() if between == "a boot" else clock.wait(TRIAL)
    assert _start(folder, clock) == 1


def test_a_granted_start_on_a_full_disk_goes_back(on_trial: Callable[[bool], Path], clock: _Clock) -> None:
    """What cannot be written down as used, is not used."""
    folder = on_trial(True)
    with closing(Generations(folder, clock)) as settling:
        settling.settle()
    with closing(Generations(folder, clock)) as agent:
        with failing(1, lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), forever=True):
            begun = agent.begin()
        assert begun is not None
        assert begun.number == 1
        assert not agent.saved
        assert agent.save()
    assert _start(folder, clock) == 1


# Every step of every change

CHANGES: dict[str, tuple[bool, Change, set[int]]] = {
    # whether generation 2 is on trial before, the change, and what a start behind it may begin with
    "try": (False, lambda made: made.try_(_generation(2), TRIAL, 0, restart=False), {1}),
    "plan": (False, lambda made: made.try_(_generation(2), TRIAL, 0, restart=True), {1, 2}),
    "prolong": (True, lambda made: made.prolong(TRIAL), {1}),
    "confirm": (True, lambda made: made.confirm(), {1, 2}),
    "back": (True, lambda made: made.back("of a test", "host"), {1}),
    "join": (False, lambda made: made.join(_generation(2)), {1, 2}),
    "settle": (True, lambda made: made.settle(), {1}),
    "begin": (True, lambda made: made.begin(), {1}),
}
LAST = {"try": 1, "plan": 2, "prolong": 1, "confirm": 2, "back": 1, "join": 2, "settle": 1, "begin": 1}


def _prepared(folder: Path, clock: _Clock, on_trial: bool) -> Generations:
    made = Generations(folder, clock)
    made.try_(_generation(1), TRIAL, 0, restart=False)
    made.confirm()
    if on_trial:
        made.try_(_generation(2), TRIAL, 0, restart=False)
    return made


@pytest.mark.parametrize("kept", [0, 1, 40, 10_000], ids=lambda kept: f"{kept} bytes kept")
@pytest.mark.parametrize("change", CHANGES)
def test_a_crash_at_any_step_lands_on_an_allowed_generation(tmp_path: Path, change: str, kept: int) -> None:
    """A power cut at each step: files that were not synced lose their end, or all they hold."""
    on_trial, act, allowed = CHANGES[change]
    seen = set()
    for at in itertools.count(1):
        clock, folder = _Clock(), tmp_path / str(at)
        with closing(_prepared(folder, clock, on_trial)) as made, failing(at) as steps:
            with suppress(Crash):
                act(made)
            crashed = steps.done == at
            steps.lose(kept)
        began = _start(folder, clock)
        assert began in allowed, f"a crash at step {at} of {change}"
        assert _start(folder, clock) in ({1} if change == "plan" else {began}), "and the start after it"
        with closing(Generations(folder, clock)) as after:
            assert after.state.token == (2 if on_trial else after.state.token)
            for number in {after.state.confirmed, began} - {0}:
                after.read(number)
        seen.add(began)
        if not crashed:
            assert began == LAST[change]
            break
    assert at > 4, "there were steps to crash at"
    print(f"{change}: {at - 1} steps, starts on {sorted(seen)}")


@pytest.mark.parametrize("change", ["try", "plan", "prolong", "join"])
def test_a_disk_that_fails_at_any_step_changes_nothing(tmp_path: Path, change: str) -> None:
    on_trial, act, _ = CHANGES[change]
    for at in itertools.count(1):
        clock, folder = _Clock(), tmp_path / str(at)
        with closing(_prepared(folder, clock, on_trial)) as made:
            before = made.state
            with failing(at, lambda: OSError(errno.EIO, os.strerror(errno.EIO))) as steps:
                if at > steps.done and _passes(act, made):
                    assert steps.done < at
                    break
            assert made.state == before, f"step {at}"
            assert made.save(), "as the agent does within a second: an error may come after the change"
            assert not list(folder.glob(".*")), "nothing half done is left behind"
        assert _start(folder, clock) == 1
    assert at > 4


def _passes(act: Change, made: Generations) -> bool:
    try:
        act(made)
    except errors.HostError:
        return False
    return True


def test_going_back_holds_though_the_disk_refuses(folder: Path, clock: _Clock) -> None:
    with closing(_prepared(folder, clock, on_trial=True)) as made:
        with failing(1, lambda: OSError(errno.EROFS, os.strerror(errno.EROFS)), forever=True):
            made.back("of a test", "host")
            assert not made.save()
        assert made.state.trial is None
        assert made.save()


# What is broken


@pytest.mark.parametrize("content", ["", "{", "[]", '{"confirmed": "many"}', '{"confirmed": 1, "unknown": 2}'])
def test_a_broken_state_file_lets_the_agent_begin(confirmed: Path, clock: _Clock, content: str) -> None:
    """By the configuration's profile, until the store says what the fleet has; numbers are not used again."""
    (confirmed / "state.json").write_text(content, encoding="utf-8")
    assert _start(confirmed, clock) == 0
    with closing(Generations(confirmed, clock)) as after:
        assert after.state.last == 1


@pytest.mark.parametrize("harm", ["cut", "altered", "gone", "of another"])
def test_a_broken_generation_is_never_begun_with(confirmed: Path, clock: _Clock, harm: str) -> None:
    file = confirmed / "1.json"
    text = file.read_text(encoding="utf-8")
    if harm == "gone":
        file.unlink()
    else:
        harmed = {"cut": text[:100], "altered": text.replace("of a test", "of a jest")}
        file.write_text(harmed.get(harm) or text.replace('"number": 1', '"number": 7'), encoding="utf-8")
    with closing(Generations(confirmed, clock)) as agent:
        with pytest.raises(errors.HostError, match="Generation 1"):
            agent.read(1)
        assert agent.begin() is None


def test_old_generations_are_forgotten_but_never_what_holds(folder: Path, clock: _Clock) -> None:
    with closing(Generations(folder, clock)) as made:
        made.join(_generation(1))
        for number in range(2, 40):
            made.try_(_generation(number), TRIAL, 0, restart=False)
            made.back("of a test", "host")
        kept = {int(file.stem) for file in folder.glob("*.json") if file.stem.isdecimal()}
    assert 1 in kept
    assert 39 in kept
    assert len(kept) <= 12


def test_a_folder_has_one_agent(folder: Path) -> None:
    with closing(Generations(folder)), pytest.raises(errors.UsageError, match="Another agent uses the state directory"):
        Generations(folder)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(errors.HostError, match="cannot be used: Not a directory"):
        Generations(tmp_path / "file" / "state")


def test_a_size_limit_of_the_process_is_a_full_disk(tmp_path: Path) -> None:
    """For real, in a process of its own: the kernel refuses the write."""
    program = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from agent.tuning.test_generations import _generation\n"
        "from extraction_agent import errors\n"
        "from extraction_agent.tuning.generations import Generations\n"
        "made = Generations(Path(sys.argv[1]))\n"
        "made.join(_generation(1))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try:\n"
        "    made.try_(_generation(2), 60, 0, restart=False)\n"
        "except errors.HostError as error:\n"
        "    print(error, made.state.last, made.read(1).number)\n"
    )
    folder = tmp_path / "state"
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)],
        capture_output=True, text=True, check=True, timeout=30,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert "cannot be written: File too large. Nothing was changed" in done.stdout
    assert done.stdout.endswith(" 1 1\n")
