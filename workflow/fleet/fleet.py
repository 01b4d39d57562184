"""A fleet, by its inventory: every change and every question is a playbook."""

import json
import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from extraction_agent import errors
from workflow import commands

ANSIBLE = commands.ROOT / ".venv-ansible"
_ASK = Path(__file__).with_name("ask.yml")
_MAKING = 1800.0  # s to make Ansible's environment, from an index that may be slow
_ASKING = 120.0  # s
_ROLLOUT = 4 * 3600.0  # s; the rollout's own lease and slots end it long before


@dataclass(slots=True)
class Fleet:
    """Hosts in an inventory."""

    inventory: Path
    variables: dict[str, Any]  # beyond the inventory's
    log: Path
    here: bool = False  # made on this machine, so it ends with the run
    at_work: Callable[[], AbstractContextManager[None]] = nullcontext  # gives it work, where it has none of its own
    committed: int | None = field(default=None, init=False)  # the rollout of ours that is the fleet's

    def roll_out(self, profile: Path, **variables: Any) -> commands.Done:
        """Give it a profile, wave by wave, each judged. What fails before the commit, the play itself takes back."""
        return self._play("jivs.extraction.rollout", _ROLLOUT, profile=str(profile), **variables)

    def take_back(self) -> commands.Done:
        """Give it the profile that it had before the latest one."""
        done = self._play("jivs.extraction.rollback", _ROLLOUT)
        if done.status == 0:
            self.committed = None
        return done

    def latest(self) -> dict[str, Any]:
        """What the store has of the newest rollout; `rollout_id` is None before the first. Raises ExtractionError."""
        found: dict[str, Any] = self.ask("rollout", "status")["answer"]
        return found

    def in_force(self) -> int | None:
        """The rollout whose profile the fleet has now. Raises ExtractionError."""
        several = self.ask("rollout", "history")["answer"]["rollouts"]
        return next((one["rollout_id"] for one in several if one["state"] == "committed"), None)

    def ask(self, *words: str) -> dict[str, Any]:
        """What extractctl says on the store's host, with --json. Raises ExtractionError with its sentence."""
        answer = self.log.with_name("answer.json")
        answer.unlink(missing_ok=True)
        done = self._play(str(_ASK), _ASKING, words=list(words), answer=str(answer))
        try:
            told = json.loads(answer.read_text(encoding="utf-8"))
            said = json.loads(told["stdout"])
        except (OSError, ValueError, KeyError):
            raise errors.ExtractionError(
                f"`extractctl {' '.join(words)}` on the store's host did not answer: {done.last_words}"
            ) from None
        finally:
            answer.unlink(missing_ok=True)
        return {"status": told["rc"], "answer": said, "sentence": " ".join(told["stderr"].split())}

    def _play(self, playbook: str, seconds: float, **variables: Any) -> commands.Done:
        make_ansible(self.log)
        words = [str(ANSIBLE / "bin" / "ansible-playbook"), f"--inventory={self.inventory}"]
        words.append("--extra-vars=" + json.dumps(self.variables | variables))
        return commands.run([*words, playbook], self.log, seconds, environment=_environment())


def failure(done: commands.Done) -> str:
    """What the last task that failed said; without one, the play's last words."""
    told = done.log.read_text(encoding="utf-8", errors="replace").rpartition("\nPLAY [")[2]
    failures = re.findall(r"^fatal: .*?=> (\{.*\})$", told, re.MULTILINE)
    try:
        message = json.loads(failures[-1])["msg"]
    except (IndexError, ValueError, KeyError, TypeError):
        return done.last_words
    return str(message[0] if isinstance(message, list) and message else message)


def make_ansible(log: Path) -> None:
    """Ansible's own environment, made the first time. Raises ExtractionError."""
    done = commands.run(["make", "--quiet", f"{ANSIBLE.name}/ready"], log, _MAKING)
    if done.status:
        raise errors.ExtractionError(f"Ansible could not be installed into {ANSIBLE.name}: {done.last_words}")


def _environment() -> dict[str, str]:
    return {
        "PATH": f"{ANSIBLE / 'bin'}:{os.environ.get('PATH', os.defpath)}",
        "ANSIBLE_COLLECTIONS_PATH": str(ANSIBLE / "collections"),
        "ANSIBLE_HOME": str(ANSIBLE / "home"),
        "ANSIBLE_NOCOLOR": "1",
        "LC_ALL": "C.UTF-8",
    }
