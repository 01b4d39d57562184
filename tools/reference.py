"""Writes docs/reference from the code: the command line by typer's own generator, profiles from their model, metrics.

.venv/bin/python tools/reference.py          # a test holds the files equal to what this writes
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

from extraction_agent import profiles
from extraction_agent.observe import metrics

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"


def pages() -> dict[str, str]:
    """File names in docs/reference, and their text."""
    return {"cli.md": command_line(), "profile.md": profile(), "metrics.md": metric_names()}


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


def metric_names() -> str:
    """Every metric, as a scrape names it."""
    lines = [
        "# Metrics",
        "",
        "Made from the code by `tools/reference.py`. `/metrics` answers in Prometheus' text format or OpenMetrics. No",
        "label takes an unbounded value: a name that people choose becomes `other` once its label has taken 50 names.",
        "[How to watch an agent](../how-to/monitor.md) says which to look at.",
        "",
        "| name | type | labels | meaning |",
        "|---|---|---|---|",
    ]
    for metric in metrics.REGISTRY.collect():
        name = metric.name + {"counter": "_total", "info": "_info"}.get(metric.type, "")
        labels = metrics.LABELS.get(name) or sorted(
            {label for sample in metric.samples for label in sample.labels} - {"le"}
        )
        facts = [f"`{name}`", metric.type, ", ".join(f"`{label}`" for label in labels), metric.documentation]
        lines.append(f"| {' | '.join(facts)} |")
    edges = {"seconds of short waits": metrics.SHORT, "seconds of chunks": metrics.LONG}
    lines += ["", "Edges of the histograms, which are the only values that a quantile knows exactly:", ""]
    lines += [f"- {what}: {', '.join(f'{edge:g}' for edge in values)}" for what, values in edges.items()]
    lines += ["", f"Values of `query`: {', '.join(f'`{value}`' for value in metrics.QUERIES)}.", ""]
    lines += [f"Values of `kind`: {', '.join(f'`{value}`' for value in metrics.KINDS)}.", ""]
    lines += [f"Values of `result`: {', '.join(f'`{value}`' for value in metrics.RESULTS)}."]
    return "\n".join(lines) + "\n"


def _allowed(setting: dict[str, Any]) -> str:
    if "enum" in setting:
        return ", ".join(map(str, setting["enum"]))
    if "anyOf" in setting:  # or nothing
        return " or ".join(_allowed(choice) or "none" for choice in setting["anyOf"])
    if "minimum" in setting:
        return f"{setting['minimum']:,} to {setting['maximum']:,}"
    if "exclusiveMinimum" in setting:
        return f"more than {setting['exclusiveMinimum']:,}, to {setting['maximum']:,}"
    if setting.get("type") == "null":
        return "none"
    return "list" if setting.get("type") == "array" else str(setting.get("type", ""))


if __name__ == "__main__":
    for file, text in pages().items():
        (REFERENCE / file).write_text(text, encoding="utf-8")
