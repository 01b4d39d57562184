"""Writes docs/reference from the code: the command line by typer's own generator, the rest from its models.

.venv/bin/python tools/reference.py          # a test holds the files equal to what this writes
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from extraction_agent import config, profiles
from extraction_agent.interfaces.api import document
from extraction_agent.observe import metrics

_HIGHEST = 2**63 - 1  # of a number in the store: no bound worth telling
REFERENCE = Path(__file__).parents[1] / "docs" / "reference"


def pages() -> dict[str, str]:
    """File names in docs/reference, and their text."""
    return {
        "cli.md": command_line(),
        "configuration.md": configuration(),
        "profile.md": profile(),
        "metrics.md": metric_names(),
        "api.md": interface(),
    }


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
        "`extends` (a shipped profile), `settings`, `guards` and `gates`.",
        "An unknown key is an error that names the nearest known one.",
        "`extractctl profile show NAME` prints what a profile comes to.",
        "",
        *(f"- `{name}`: {loaded.description}" for name, loaded in shipped.items()),
    ]
    plain = [one.settings for one in shipped.values()]
    groups: dict[str, list[Any]] = dict.fromkeys(schema["$defs"]["Settings"]["properties"], plain)
    groups |= {"guards": list(shipped.values()), "gates": list(shipped.values())}
    fields = schema["$defs"]["Settings"]["properties"] | schema["properties"]
    for group, parents in groups.items():
        definition = schema["$defs"][fields[group]["$ref"].rsplit("/", 1)[1]]
        lines += ["", f"## {group}", "", definition["description"], ""]
        lines += [f"| setting | meaning | allowed | default | {' | '.join(shipped)} |"]
        lines += ["|" + "---|" * (4 + len(shipped))]
        for name, setting in definition["properties"].items():
            values = [_yaml(getattr(getattr(parent, group), name)) for parent in parents]
            facts = [f"`{name}`", setting.get("description", ""), _allowed(setting), _yaml(setting["default"]), *values]
            lines.append(f"| {' | '.join(facts)} |")
    return "\n".join(lines) + "\n"


def _yaml(value: Any) -> str:
    """A value as one writes it into the file; of a list that is not empty, the items."""
    if isinstance(value, list | tuple) and value:
        return ", ".join(map(_yaml, value))
    if isinstance(value, float) and value.is_integer():  # 30.0 and 30 are the same setting
        return str(int(value))
    return str(value) if isinstance(value, str) else json.dumps(value)


def configuration() -> str:
    """Every key of the daemon's configuration file, with its default and its bounds."""
    schema = config.Config.model_json_schema()
    groups: dict[str, Any] = {}
    plain: dict[str, Any] = {}
    for name, one in schema["properties"].items():
        (groups if "$ref" in one else plain)[name] = one
    lines = [
        "# Configuration",
        "",
        "Made from the code by `tools/reference.py`. The YAML file that `extraction-agent --config FILE` reads. An",
        "unknown key is an error that names the nearest known one. `--validate-config` checks a file, `--print-config`",
        "shows it with every default. [The example](../../packaging/extraction-agent.yml) has every group; [Run the",
        "daemon](../how-to/run-the-daemon.md) says how secrets are given and what a reload can change.",
        "",
        *_keys(schema, plain),
    ]
    for name, one in groups.items():
        definition = schema["$defs"][one["$ref"].rsplit("/", 1)[1]]
        needed = " It must be there." if name in schema["required"] else ""
        lines += ["", f"## {name}", "", f"{definition['description']}{needed}", ""]
        lines += _keys(schema, definition["properties"], definition.get("required", []), f"{name}.")
    return "\n".join(lines) + "\n"


def _keys(
    schema: dict[str, Any], properties: dict[str, Any], required: Sequence[str] = (), group: str = ""
) -> list[str]:
    """A table of keys; a group inside a group is shown by its keys."""
    rows = []
    for name, one in properties.items():
        inner = next((choice["$ref"] for choice in [one, *one.get("anyOf", [])] if "$ref" in choice), None)
        if inner is None:
            default = "must be given" if name in required else _yaml(one.get("default"))
            rows.append(f"| `{group}{name}` | {one.get('description', '')} | {_allowed(one)} | {default} |")
        else:
            below = schema["$defs"][inner.rsplit("/", 1)[1]]
            meaning = one.get("description", below["description"])
            rows.append(f"| `{group}{name}` | {meaning} | group | {_yaml(one.get('default'))} |")
            rows += _keys(schema, below["properties"], below.get("required", []), f"{group}{name}.")[2:]
    return ["| key | meaning | allowed | default |", "|---|---|---|---|", *rows]


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
    lines += [f"Values of `kind`: {', '.join(f'`{value}`' for value in metrics.KINDS)}."]
    results = {"extraction_chunks_total": metrics.RESULTS, "extraction_trials_total": metrics.TRIAL_RESULTS}
    for name, values in results.items():
        lines += ["", f"Values of `result` in `{name}`: {', '.join(f'`{value}`' for value in values)}."]
    return "\n".join(lines) + "\n"


def _allowed(setting: dict[str, Any]) -> str:
    if "enum" in setting:
        return ", ".join(map(str, setting["enum"]))
    if "anyOf" in setting:  # or nothing
        return " or ".join(_allowed(choice) for choice in setting["anyOf"])
    if "minimum" in setting:
        return f"{setting['minimum']:,} to {setting['maximum']:,}"
    if "exclusiveMinimum" in setting:
        return f"more than {setting['exclusiveMinimum']:,}, to {setting['maximum']:,}"
    return "list" if setting.get("type") == "array" else str(setting.get("type", ""))


def interface() -> str:
    """Every operation of the HTTP interface, then every model it takes or gives."""
    made = document.make()
    schemas = made["components"]["schemas"]
    lines = [
        "# HTTP interface",
        "",
        "Made from the OpenAPI document, which the agent gives at `/openapi.json`, by `tools/reference.py`. How to use",
        "it: [Use the API](../how-to/use-the-api.md).",
    ]
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            lines += ["", f"## {method.upper()} {path}", "", operation["summary"], ""]
            lines += _operation(operation)
    lines += ["", "## Models"]
    taken = json.dumps([one.get("requestBody") for item in made["paths"].values() for one in item.values()])
    for name, schema in sorted(schemas.items()):
        if "properties" in schema:
            lines += ["", f"### {name}", "", schema.get("description", ""), ""]
            lines += ["| field | type | without it | meaning |", "|---|---|---|---|"]
            required = schema.get("required", [])
            for field, one in schema["properties"].items():
                default = _value(one["default"]) if one.get("default") is not None else ""
                without = "refused" if field in required and f'/{name}"' in taken else default
                lines.append(f"| `{field}` | {_type(one)} | {without} | {one.get('description', '')} |")
        else:
            lines += ["", f"### {name}", "", f"{schema.get('description', '')} One of {_type(schema)}."]
    return "\n".join(lines) + "\n"


def _operation(operation: dict[str, Any]) -> list[str]:
    scopes = [scope for one in operation.get("security", []) for scope in one["token"]]
    lines = [f"Scope: {scopes[0] if scopes else 'none, open to all'}.", ""]
    if operation["parameters"]:
        lines += ["| parameter | in | type | without it | meaning |", "|---|---|---|---|---|"]
        for one in operation["parameters"]:
            default = one["schema"].get("default")
            without = "refused" if one["required"] else "" if default is None else _value(default)
            facts = [f"`{one['name']}`", one["in"], _type(one["schema"]), without, one.get("description", "")]
            lines.append(f"| {' | '.join(facts)} |")
        lines.append("")
    if body := operation.get("requestBody"):
        lines += [f"Body: {_content(body)}.", ""]
    for status, answer in operation["responses"].items():
        if "content" in answer:
            lines.append(f"{status}: {_content(answer)}.")
        elif "$ref" not in answer:
            lines.append(f"{status}: no content.")
    errors = [status for status, answer in operation["responses"].items() if "$ref" in answer]
    if errors:
        lines += ["", f"Problems: {', '.join(errors)}."]
    return lines


def _content(part: dict[str, Any]) -> str:
    (media_type, content), *_ = part["content"].items()
    return _type(content["schema"]) if "$ref" in content["schema"] else f"`{media_type}`"


def _type(schema: dict[str, Any]) -> str:
    """In words, with its bounds."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(map(_type, schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{one}`" for one in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}" if schema["items"] else "list"
    words = [str(schema.get("format", schema.get("type", "any value")))]
    if "minimum" in schema or "exclusiveMinimum" in schema:
        words.append(f"from {_value(schema.get('minimum', schema.get('exclusiveMinimum')))}")
    if schema.get("maximum", _HIGHEST) < _HIGHEST:
        words.append(f"to {_value(schema['maximum'])}")
    return " ".join(words)


def _value(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int | float) and not isinstance(value, bool) else f"`{value}`"


if __name__ == "__main__":
    for file, text in pages().items():
        (REFERENCE / file).write_text(text, encoding="utf-8")
