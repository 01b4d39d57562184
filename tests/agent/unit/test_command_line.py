"""What the command line says where no database is needed: addresses, pipes, a full disk, colours."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from extraction_agent import errors, postgres
from extraction_agent.interfaces.cli import output
from extraction_agent.sources import kind_of

COMMAND = [sys.executable, "-m", "extraction_agent.interfaces.cli"]


@pytest.mark.parametrize(
    "url",
    ["mysql://a:topsecret@host/shop", "mysql://a:topsecret@host/shop?x=1", "topsecret", "postgresql://a:topsecret%zz@host/shop"],
)  # fmt: skip
def test_an_address_that_is_refused_is_not_repeated(url: str) -> None:
    with pytest.raises(errors.UsageError, match="The store's URL") as refused:
        postgres.address(url, "store")
    assert "topsecret" not in str(refused.value)


def test_addresses_are_named_without_user_and_password() -> None:
    assert postgres.address("postgresql://a:topsecret@db1:6000/shop", "source") == "source db1:6000/shop"
    assert postgres.address("host=db1 dbname=shop password=topsecret", "store") == "store db1:5432/shop"


@pytest.mark.parametrize("url", ["oracle://db1/shop", "shop", "sqlite:/shop.db", "://shop", "oracle://[::1/shop"])
def test_a_scheme_nobody_knows_is_refused(url: str) -> None:
    with pytest.raises(errors.UsageError, match="begins with one of postgresql://"):
        kind_of(url)


def test_a_pipe_gets_every_character_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 5000
    output.rows(("name", "value"), [("a", long), ("b", 7)])
    output.facts({"note": f"{long} {long}", "nothing": None})
    assert capsys.readouterr().out.splitlines() == ["name  value", f"a     {long}", "b     7", f"note  {long} {long}"]


def test_a_full_disk_is_told() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [*COMMAND, "profile", "list"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (1, "The output cannot be written: No space left on device.\n")


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_errors_are_red_on_a_terminal_that_wants_colour(no_color: str, coloured: bool) -> None:
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            [*COMMAND, "profile", "show", "nosuch"],
            stderr=theirs,
            env={**os.environ, "NO_COLOR": no_color},
            check=False,
        )
        said = os.read(ours, 10_000)
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 2
    assert b"There is no profile nosuch" in said
    assert said.startswith(b"\x1b[") is coloured
