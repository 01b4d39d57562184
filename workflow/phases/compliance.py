"""Compliance: the audit log is whole and goes on, the code and what it needs are looked through."""

import json
import shutil
from pathlib import Path
from typing import Any

from extraction_agent import errors
from workflow import commands
from workflow.steps import Context, Result, Step, failed, not_done, passed

TOOLS = commands.ROOT / ".venv-compliance"
ANCHOR = "compliance/audit-before.txt"  # the log's last entry before the change, as NUMBER:HASH
ROLLED_OUT = "testing/rollout/status.json"  # what the store says of the rollout
BASELINES = commands.ROOT / "workflow" / "baselines"
_CODE = ["agent", "plugins", "workflow"]
_SECONDS = 900.0
_MOVED = 3  # detect-secrets-hook: all was reviewed, some of it in other lines
_AWAY = ("connection", "resolve", "timed out", "timeout", "unreachable", "proxy", "http", "max retries", "ssl")


def remember_audit(context: Context) -> None:
    """Verify the audit log, and note its last entry: what is verified later must go on from it.

    Raises ExtractionError if the log is not whole, so that nothing is changed on top of it.
    """
    found = context.fleet().ask("audit", "verify")
    if found["answer"].get("faults") or found["status"]:
        raise errors.ExtractionError(f"The audit log is not whole before the change: {found['sentence']}")
    context.folder.write(ANCHOR, f"{found['answer']['anchor']}\n")


def rolled_out(context: Context) -> dict[str, Any]:
    """What the store said of this run's rollout. Raises OSError if there was none."""
    told: dict[str, Any] = json.loads((context.folder.path / ROLLED_OUT).read_text(encoding="utf-8"))
    return told


def _audit(context: Context) -> Result:
    noted = context.folder.path / ANCHOR
    if not noted.exists():
        return not_done("nothing was rolled out in this run, so there is no audit log from before to compare with")
    anchor = noted.read_text(encoding="utf-8").strip()
    fleet = context.fleet()
    found = fleet.ask("audit", "verify", "--anchor", anchor)
    command = f"extractctl audit verify --anchor {anchor}"
    answer = found["answer"]
    if answer.get("faults") or found["status"]:
        return failed(found["sentence"], command, **answer)
    entries = fleet.ask("audit", "list", "--object", f"rollout {rolled_out(context)['rollout_id']}")["answer"][
        "entries"
    ]
    actions = [entry["action"] for entry in entries]
    if "rollout.committed" not in actions:
        return failed("the audit log has no entry of the rollout that was committed", command, **answer)
    return passed(
        f"whole before and after the change, {answer['entries']} entries, the rollout among them", command, **answer
    )


def _bandit(context: Context) -> Result:
    """Against what was reviewed: a finding that is not in the baseline is new."""
    answer, log = context.folder.file("compliance/bandit-report.json"), context.folder.file("compliance/bandit.log")
    words = [tool(log, "bandit"), "--quiet", "--recursive", *_CODE, "--format=json", f"--output={answer}"]
    words += ["--severity-level=medium", f"--baseline={BASELINES / 'bandit.json'}"]
    done = commands.run(words, log, _SECONDS)
    found = _json(answer)
    if found is None or found["errors"]:
        return failed(f"bandit did not come to its end: {done.last_words}", done.command)
    new = found["results"]
    if new:
        first = new[0]
        return failed(
            f"{len(new)} new findings, the first {first['filename']}:{first['line_number']}: {first['issue_text']}",
            done.command, findings=len(new),
        )  # fmt: skip
    return passed(f"nothing new in {', '.join(_CODE)}, medium and high", done.command, findings=0)


def _secrets(context: Context) -> Result:
    log = context.folder.file("compliance/secrets.log")
    baseline = context.folder.file("compliance/reviewed.json")  # a copy: the hook corrects line numbers in it
    shutil.copyfile(BASELINES / "secrets.json", baseline)
    listed = context.folder.file("compliance/files.txt")
    done = commands.run(["git", "ls-files"], log, _SECONDS, output=listed, folder=commands.ROOT)
    if done.status:
        return not_done(f"the files under version control cannot be listed: {done.last_words}", done.command)
    files = listed.read_text(encoding="utf-8").split("\n")
    looked_at = [name for name in files if name and (commands.ROOT / name).is_file() and not _is_lock(name)]
    words = [tool(log, "detect-secrets-hook"), "--baseline", str(baseline), *looked_at]
    scanned = commands.run(words, log, _SECONDS, folder=commands.ROOT)
    command = "detect-secrets-hook --baseline workflow/baselines/secrets.json, of every file under version control"
    if scanned.status not in (0, _MOVED):
        return failed("there is what looks like a secret and was not reviewed: compliance/secrets.log", command)
    return passed(f"nothing new in {len(looked_at)} files", command, files=len(looked_at))


def _is_lock(name: str) -> bool:
    """Pinned digests look like secrets, one and all."""
    return name.endswith((".lock", "package-lock.json")) or Path(name).parts[0] == "runs"


def _dependencies_audited(context: Context) -> Result:
    answer, log = context.folder.file("compliance/pip-audit.json"), context.folder.file("compliance/pip-audit.log")
    words = [tool(log, "pip-audit"), "--requirement", "requirements.lock", "--require-hashes", "--disable-pip"]
    done = commands.run([*words, "--format=json", f"--output={answer}", "--progress-spinner=off"], log, _SECONDS)
    found = _json(answer)
    if found is None:
        if any(word in done.last_words.lower() for word in _AWAY):
            return not_done(f"what is known of vulnerabilities cannot be reached: {done.last_words}", done.command)
        return failed(f"pip-audit did not come to its end: {done.last_words}", done.command)
    bad = [one for one in found["dependencies"] if one.get("vulns")]
    unknown = [one["name"] for one in found["dependencies"] if one.get("skip_reason")]
    if bad:
        first = bad[0]
        told = f"{first['name']} {first['version']}: {first['vulns'][0]['id']}"
        return failed(f"{len(bad)} dependencies have known vulnerabilities, the first {told}", done.command)
    if unknown:
        return not_done(f"nothing could be learnt of {len(unknown)} dependencies, {unknown[0]} first", done.command)
    return passed(f"none of {len(found['dependencies'])} has a known vulnerability", done.command)


def _dependencies_listed(context: Context) -> Result:
    """As CycloneDX, and for people as a table."""
    answer, log = (
        context.folder.file("compliance/dependencies.cdx.json"),
        context.folder.file("compliance/licences.log"),
    )
    words = [tool(log, "cyclonedx-py"), "environment", ".venv", "--output-format=JSON", f"--output-file={answer}"]
    done = commands.run([*words, "--pyproject=pyproject.toml"], log, _SECONDS)
    found = _json(answer)
    if done.status or found is None:
        return failed(f"the dependencies could not be listed: {done.last_words}", done.command)
    listed = sorted((one["name"], one.get("version", ""), _licence(one)) for one in found["components"])
    lines = [f"{name} {version}: {licence}" for name, version, licence in listed]
    context.folder.write("compliance/dependencies.txt", "\n".join(lines) + "\n")
    unknown = [name for name, _, licence in listed if licence == "unknown"]
    return passed(
        f"{len(listed)} with their licences in compliance/dependencies.txt"
        + (f", {len(unknown)} do not say theirs" if unknown else ""),
        done.command, dependencies=len(listed), without_licence=unknown,
    )  # fmt: skip


def _licence(component: dict[str, Any]) -> str:
    told = []
    for one in component.get("licenses") or []:
        licence = one.get("license", {})
        told.append(one.get("expression") or licence.get("id") or licence.get("name") or "unknown")
    return ", ".join(told) or "unknown"


def tool(log: Path, name: str) -> str:
    """A tool of compliance's own environment, made the first time. Raises UsageError: then nothing was looked at."""
    done = commands.run(["make", "--quiet", f"{TOOLS.name}/ready"], log, _SECONDS)
    if done.status:
        raise errors.UsageError(f"The tools could not be installed into {TOOLS.name}: {done.last_words}")
    return str(TOOLS / "bin" / name)


def _json(file: Path) -> dict[str, list[dict[str, Any]]] | None:
    """None if the file is not there or not whole."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


STEPS = (
    Step(
        "audit_log", lambda _: "verify the audit log's chain from before the change to now, with the rollout in it",
        _audit, on_fleet=True,
    ),
    Step("bandit", lambda _: f"bandit over {', '.join(_CODE)}, against what was reviewed", _bandit),
    Step("secrets", lambda _: "detect-secrets over every file under version control", _secrets),
    Step("dependency_audit", lambda _: "pip-audit of requirements.lock", _dependencies_audited),
    Step("dependency_list", lambda _: "dependencies with licences, as CycloneDX", _dependencies_listed),
)  # fmt: skip
