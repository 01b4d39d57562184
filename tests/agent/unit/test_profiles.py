"""Profiles: what extends what, and bad ones told in a sentence."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from extraction_agent import errors, profiles
from extraction_agent.interfaces.cli.main import app


def _file(folder: Path, text: str, name: str = "mine") -> str:
    path = folder / f"{name}.yml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_extends_changes_only_what_it_names(tmp_path: Path) -> None:
    file = _file(
        tmp_path, "name: mine\ndescription: x\nextends: low_impact\nsettings: {reading: {chunks_in_flight: 3}}\n"
    )
    mine, base = profiles.load(file).settings, profiles.load("low_impact").settings
    assert mine.reading.chunks_in_flight == 3
    assert mine.batch == base.batch
    assert base.batch.chunk_rows < profiles.load("optimized").settings.batch.chunk_rows
    assert mine.pool.maximum == 5


def test_gates_are_taken_over_and_changed_as_settings_are(tmp_path: Path) -> None:
    file = _file(tmp_path, "name: mine\ndescription: x\nextends: low_impact\ngates: {p95_seconds: 0.4}\n")
    mine, base = profiles.load(file), profiles.load("low_impact")
    assert mine.gates.model_dump() == base.gates.model_dump() | {"p95_seconds": 0.4}
    assert base.gates.tolerated_fall_of_throughput > profiles.load("optimized").gates.tolerated_fall_of_throughput
    assert mine.settings == base.settings


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "name: mine\ndescription: x\ngates: {p95_second: 1}",
            "unknown key gates.p95_second: did you mean p95_seconds?",
        ),
        ("name: mine\ndescription: x\nextends: optimized\ngates: [7]", "gates: input should be"),
        ("name: mine\ndescription: x\nsettings: {reeding: {}}", "unknown key settings.reeding: did you mean reading?"),
        ("name: mine\ndescription: x\nsettings: {pool: {maximun: 9}}", "did you mean maximum?"),
        ("name: mine\ndescription: x\nsettings: {pool: {maximum: 1}}", "settings.pool.maximum: input should be"),
        ("name: mine\ndescription: x\nsettings: 7", "settings: input should be"),
        ("name: mine\ndescription: x\nextends: optimized\nsettings: [7]", "settings: input should be"),
        ("name: mine\ndescription: x\nextends: optimised", "Did you mean optimized?"),
        ("name: mine\ndescription: x\nextends: [optimized]", "extends"),
        (
            "name: mine\ndescription: x\nsettings: {indexes: {sources: [{tabel: t}]}}",
            "unknown key settings.indexes.sources.0.tabel: did you mean table?",
        ),
        ("name: mine\ndescription: x\nsettings: {indexes: {store: [idx_other]}}", "settings.indexes.store.0: input"),
        (
            (
                "name: mine\ndescription: x\n"
                "settings: {indexes: {sources: [{database: d, table: t, columns: [c], name: jivs_r1_1}]}}"
            ),
            "settings.indexes.sources.0: the name jivs_r1_1 is kept for indexes that are being built",
        ),
        (
            (
                "name: mine\ndescription: x\n"
                "settings: {indexes: {store: [idx_extraction_status_created, idx_extraction_status_created]}}"
            ),
            "settings.indexes: the index idx_extraction_status_created is named twice",
        ),
        ("name: Mine\ndescription: x", "name: string should match"),
        ("- 1", "not a mapping"),
        ("a: [", "not YAML"),
    ],
)
def test_a_bad_profile_is_refused_with_what_is_wrong(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(errors.UsageError) as refused:
        profiles.load(_file(tmp_path, text))
    assert told in str(refused.value)


def test_a_profile_that_extends_itself(tmp_path: Path) -> None:
    file = str(tmp_path / "mine.yml")
    _file(tmp_path, f"name: mine\ndescription: x\nextends: {file}\n")
    with pytest.raises(errors.UsageError, match="extends itself"):
        profiles.load(file)


def test_no_such_profile() -> None:
    with pytest.raises(errors.UsageError, match="Did you mean baseline"):
        profiles.load("base_line")
    with pytest.raises(errors.UsageError, match=r"nowhere\.yml cannot be read"):
        profiles.load("nowhere.yml")


def test_the_commands() -> None:
    listed = json.loads(CliRunner().invoke(app, ["profile", "list", "--json"]).stdout)
    assert {one["name"] for one in listed["profiles"]} == set(profiles.shipped())
    shown = CliRunner().invoke(app, ["profile", "show", "low_impact"])
    assert "chunks_in_flight: 1" in shown.stdout
    assert "method: ranges" in shown.stdout  # of the profile it extends
    told = json.loads(CliRunner().invoke(app, ["profile", "show", "baseline", "--json"]).stdout)
    assert told["settings"]["reading"]["method"] == "offset"
    schema = CliRunner().invoke(app, ["profile", "schema"])
    assert json.loads(schema.stdout) == profiles.schema()
    assert schema.stdout.count("\n") > 10  # for people


def test_half_of_the_old_way_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "half.yml"
    file.write_text("{name: half, description: x, settings: {reading: {method: offset}}}", encoding="utf-8")
    with pytest.raises(errors.UsageError, match="old way together: set both or none"):
        profiles.load(str(file))
