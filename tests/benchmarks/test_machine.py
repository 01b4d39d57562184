"""What a benchmark says of itself can be typed on another machine."""

import sys

import pytest

from benchmarks import machine


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ([], ""),
        (["--scale", "1/30", "--output", "runs/x.json"], " --scale 1/30 --output runs/x.json"),
        (["--output", "/somewhere/of mine/x.json"], " --output x.json"),
        (["--output=/somewhere/x.json"], " --output=x.json"),
        (["--profiles", "baseline,/a/b/mine.yml,/c/other.yml"], " --profiles baseline,mine.yml,other.yml"),
    ],
)
def test_the_command_names_no_folder_of_this_machine(
    typed: list[str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/bin/benchmark", *typed])
    assert machine.command("load-tests/run.sh") == f"load-tests/run.sh{told}"
