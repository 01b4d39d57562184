"""`extractctl report`: what it writes, how it ends, and what it says of bad input."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from extraction_agent import errors
from extraction_agent.interfaces.cli.main import app
from extraction_agent.model import Definition
from report import folders
from report.test_acceptance import change
from support import Database, extract


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


def test_go_is_status_0_and_three_files(tmp_path: Path) -> None:
    done = run(folders.write(tmp_path, folders.whole()))
    assert done.exit_code == 0, done.output
    assert "verdict  GO: All of A1 to A9 hold" in done.output
    told = json.loads((tmp_path / "report.json").read_text())
    assert (told["kind"], told["verdict"]) == ("report", "GO")
    assert "✔ GO" in (tmp_path / "report.html").read_text()
    assert (tmp_path / "report.md").read_text().startswith("# GO: A test of the report\n")


def test_the_same_folder_gives_the_same_report(tmp_path: Path) -> None:
    run(folders.write(tmp_path, folders.whole()))
    first = [(tmp_path / name).read_bytes() for name in ("report.html", "report.md", "report.json")]
    run(tmp_path)
    assert [(tmp_path / name).read_bytes() for name in ("report.html", "report.md", "report.json")] == first


def test_no_go_and_inconclusive_are_status_1(tmp_path: Path) -> None:
    files = folders.whole()
    change(files["testing/tests.json"], "failed", 1)
    done = run(folders.write(tmp_path / "no-go", files), "--json")
    assert (done.exit_code, json.loads(done.output)["verdict"]) == (1, "NO-GO")
    done = run(folders.write(tmp_path / "open", folders.whole(), without=["testing/tests.json"]), "--json")
    assert (done.exit_code, json.loads(done.output)["verdict"]) == (1, "INCONCLUSIVE")


def test_it_is_written_where_it_is_asked_to_be(tmp_path: Path) -> None:
    done = run(folders.write(tmp_path / "run", folders.whole()), "--output", tmp_path / "a" / "b")
    assert done.exit_code == 0
    assert (tmp_path / "a" / "b" / "report.html").exists()
    assert not (tmp_path / "run" / "report.html").exists()


def _truncate(path: Path) -> None:
    file = path / "testing" / "queries.json"
    file.write_text(file.read_text()[:300])


def _edit(name: str, place: str, value: object) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        content = json.loads((path / name).read_text())
        change(content, place, value)
        (path / name).write_text(json.dumps(content))

    return edit


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (_truncate, r"testing/queries\.json is not JSON, or cut short: .*Measure again, or take the file out"),
        (lambda path: (path / "testing/tests.json").write_text(""), r"tests\.json is empty: .*Measure again\."),
        (lambda path: (path / "testing/tests.json").write_bytes(b"\xff\xfe"), r"tests\.json is not UTF-8 text\."),
        (lambda path: (path / "scenario.yml").unlink(), r"has no scenario\.yml: it is not the folder of an acceptance"),
        (lambda path: (path / "scenario.yml").write_text("a: [b"), r"scenario\.yml is not YAML: "),
        (lambda path: (path / "scenario.yml").write_text("- a"), r"scenario\.yml is not a mapping with a name\."),
        (_edit("testing/queries.json", "scenario", "Another"), r"is of the scenario “Another”, .* of one scenario"),
        (_edit("testing/tests.json", "fialed", 1), r"tests\.json: unknown key fialed: did you mean failed\?"),
        (
            _edit("testing/throughput.json", "profiles/optimized/runs/*/secnds", 1),
            r"unknown key profiles\.optimized\.runs\.0\.secnds: did you mean seconds\?",
        ),
        (_edit("testing/load/optimized-steady.json", "profile", "x"), r"belongs into testing/load/x-steady\.json"),
        (_edit("testing/load/optimized-steady.json", "k6", 1), r"optimized-steady\.json: k6: input should be"),
        (
            _edit("testing/throughput.json", "profiles/optimized/runs/*/records_per_minute", 1e6),
            r"10000 records in 1\.01 s are not 1e\+06 a minute",
        ),
        (
            _edit("testing/load/optimized-steady.json", "samples/*/cpu", -1.0),
            r"samples\.0\.cpu: input should be .*samples\.2\.cpu: [^:]*\. And 237 more\.$",
        ),
        (_edit("testing/queries.json", "profiles/optimized/runs", []), r"queries\.json: profiles\.optimized\.runs: "),
    ],
)  # fmt: skip
def test_a_broken_file_is_a_sentence_and_no_report_is_left(
    tmp_path: Path, spoil: Callable[[Path], object], sentence: str
) -> None:
    folders.write(tmp_path, folders.whole())
    (tmp_path / "report.html").write_text("GO")
    spoil(tmp_path)
    with pytest.raises(errors.UsageError, match=sentence) as raised:
        CliRunner().invoke(app, ["report", str(tmp_path)], catch_exceptions=False)
    assert raised.value.exit_status == 2
    assert not list(tmp_path.glob("report.*")), "an old report still says GO"


def test_what_is_not_installed_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("extraction_agent.interfaces.cli.report.NEEDED", ("a_module_that_nobody_has",))
    with pytest.raises(errors.UsageError, match=r"pip install 'extraction-agent\[report\]'"):
        CliRunner().invoke(app, ["report", str(folders.write(tmp_path, folders.whole()))], catch_exceptions=False)


def test_no_folder_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(errors.UsageError, match="There is no run folder"):
        CliRunner().invoke(app, ["report", str(tmp_path / "none")], catch_exceptions=False)


def test_what_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    folders.write(tmp_path, folders.whole())
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.HostError, match=r"cannot be written to .*file: "):
        CliRunner().invoke(app, ["report", str(tmp_path), "--output", str(tmp_path / "file")], catch_exceptions=False)


def test_the_history_of_the_users_jobs_comes_from_the_store(tmp_path: Path, source: Database, store: Database) -> None:
    source.run("CREATE TABLE item AS SELECT n AS id FROM generate_series(1, 100) AS n")
    for _ in range(2):
        extract(source.url, store, Definition(table="item"), "items")
    store.run(
        "UPDATE extractions SET created_at = created_at - interval '1 day', started_at = started_at - interval '60 s'"
    )
    changed_at = datetime.now(UTC)
    extract(source.url, store, Definition(table="item"), "items")
    folders.write(tmp_path, folders.whole())
    with pytest.raises(errors.UsageError, match="No rollout was ever committed"):
        CliRunner().invoke(app, ["report", str(tmp_path), "--store", store.url], catch_exceptions=False)
    done = run(tmp_path, "--store", store.url, "--changed-at", f"{changed_at:%Y-%m-%dT%H:%M:%S}", "--json")
    assert done.exit_code == 0, done.output
    (jobs,) = json.loads(done.output)["impact"]["jobs"]
    assert (jobs["config"], jobs["runs_before"]["value"], jobs["runs_after"]["value"]) == ("items", 2, 1)
    assert jobs["rows_after"]["value"] == 100
    assert jobs["seconds_before"]["value"] > 60 > jobs["seconds_after"]["value"]
    assert 0 < jobs["hours_won"]["value"] < 0.1
    assert json.loads((tmp_path / "history.json").read_text())["kind"] == "history"
