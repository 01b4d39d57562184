"""A report of what was really measured: a small comparison of two profiles on the suite's server."""

import json
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import pytest
from typer.testing import CliRunner

from extraction_agent.interfaces.cli.main import app
from extraction_agent.model import Verdict
from extraction_agent.report import document, evidence, folder
from report import folders
from support import Database

_ROUNDS = 3


def test_real_runs_of_two_profiles(tmp_path: Path, source: Database, store: Database) -> None:
    source.run(
        "CREATE TABLE item AS SELECT n AS id, md5(n::text) AS name FROM generate_series(1, 1000) AS n",
        "ALTER TABLE item ADD PRIMARY KEY (id)",
        "ANALYZE item",
    )
    command = ["benchmark", "--source", source.url, "--table", "item", "--store", store.url, "--runs", str(_ROUNDS)]
    measured = CliRunner().invoke(app, [*command, "--json"])
    assert measured.exit_code == 0, measured.output
    told = json.loads(measured.stdout)
    now = datetime.now(UTC)
    throughput = evidence.Throughput(
        kind="throughput",
        version=1,
        scenario=folders.SCENARIO,
        measured_at=now,
        command="extractctl benchmark",
        rows=told["rows"],
        columns=2,
        profiles={
            one["name"]: evidence.RunsOf(
                runs=tuple(
                    evidence.Run(
                        round=number,
                        started_at=now,
                        records=told["rows"],
                        seconds=seconds,
                        records_per_minute=60 * told["rows"] / seconds,
                    )
                    for number, seconds in enumerate(one["seconds"], 1)
                )
            )
            for one in told["profiles"]
        },
    )
    folders.write(tmp_path, {"scenario.yml": folders.whole()["scenario.yml"]})
    (tmp_path / "testing").mkdir()
    (tmp_path / folder.THROUGHPUT).write_text(throughput.model_dump_json(), encoding="utf-8")

    report = document.make(folder.read(tmp_path))
    (part,) = report.lines[0].parts
    assert part.before is not None
    assert part.after is not None
    for figure, one in zip((part.before, part.after), told["profiles"], strict=True):
        assert figure.value == pytest.approx(60 * told["rows"] / median(one["seconds"]))
    (speed,) = [one for one in report.regressions if one.metric == "throughput"]
    assert speed.compared == _ROUNDS
    assert speed.change is not None
    assert report.verdict is not Verdict.GO, "most was not measured"
