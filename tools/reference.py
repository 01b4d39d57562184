"""Writes docs/reference from the code: the command line by typer's own generator, profiles from their model.

.venv/bin/python tools/reference.py          # a test holds the files equal to what this writes
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

from extraction_agent import profiles

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"


def pages() -> dict[str, str]:
    """File names in docs/reference, and their text."""
    return {"cli.md": command_line(), "profile.md": profile()}


def command_line() -> str:
    """Every command with its options."""
    app = "extraction_agent.interfaces.cli.main"
    command = [sys.executable, "-m", "typer", app, "utils", "docs", "--name", "extractctl"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() + "\n"  # noqa: S603 - typer


def profile() -> str:
    """Every setting of a profile, with its default, its bounds and its value in each shipped profile."""
    schema = profiles.Profile.model_json_schema()
    shipped = {name: profiles.load(name) for name in profiles.shipped()}
    lines = [
        "# Profiles",
        "",
        "Made from the code by `tools/reference.py`. A profile is a YAML file with `name`, `description`, optionally",
        "`extends` (a shipped profile), and `settings`. An unknown key is an error that names the nearest known one.",
        "`extractctl profile show NAME` prints what a profile comes to.",
        "",
        *(f"- `{name}`: {loaded.description}" for name, loaded in shipped.items()),
    ]
    for group, field in schema["$defs"]["Settings"]["properties"].items():
        definition = schema["$defs"][field["$ref"].rsplit("/", 1)[1]]
        lines += ["", f"## {group}", "", definition["description"], ""]
        lines += [f"| setting | meaning | allowed | default | {' | '.join(shipped)} |"]
        lines += ["|" + "---|" * (4 + len(shipped))]
        for name, setting in definition["properties"].items():
            values = [str(getattr(getattr(loaded.settings, group), name)) for loaded in shipped.values()]
            facts = [f"`{name}`", setting.get("description", ""), _allowed(setting), str(setting["default"]), *values]
            lines.append(f"| {' | '.join(facts)} |")
    return "\n".join(lines) + "\n"


def _allowed(setting: dict[str, Any]) -> str:
    if "enum" in setting:
        return ", ".join(map(str, setting["enum"]))
    if "minimum" in setting:
        return f"{setting['minimum']:,} to {setting['maximum']:,}"
    return str(setting.get("type", ""))


if __name__ == "__main__":
    for file, text in pages().items():
        (REFERENCE / file).write_text(text, encoding="utf-8")
