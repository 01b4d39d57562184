"""An agent's HTTP interface, as far as a rollout needs it."""

from __future__ import annotations

import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ANSWER = 10.0  # s for one answer
OPTIONS = {
    "url": {"type": "str", "required": True},
    "ca": {"type": "str"},
    "token": {"type": "str", "no_log": True},
    "token_file": {"type": "path", "no_log": False},
}
ONE_TOKEN = [("token", "token_file")]


class AgentError(Exception):
    """A sentence with the agent's address; `status`: of its answer, 0 if there was none."""

    def __init__(self, sentence: str, status: int = 0) -> None:
        super().__init__(sentence)
        self.status = status


def token_of(params: dict[str, Any]) -> str:
    """The token itself, or what the file holds. Raises AgentError."""
    if params.get("token"):
        return str(params["token"])
    try:
        return Path(params["token_file"]).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise AgentError(f"The token's file {params['token_file']} cannot be read: {error.strerror}.") from error


class Agent:
    """One agent. Every method raises AgentError."""

    def __init__(self, url: str, token: str = "", ca: str | None = None) -> None:
        """ca: PEM text of the authorities; None: those of the system."""
        self.url, self._token = url.rstrip("/"), token
        try:
            context = ssl.create_default_context(cadata=ca or None)
        except ssl.SSLError as error:
            raise AgentError(f"The authorities given for {url} are no PEM certificates: {error}.") from error
        # No proxy: what an agent says is for who asks it alone.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )

    def metrics(self, seconds: float = ANSWER) -> str:
        """seconds: how long it may be silent."""
        return self._ask("GET", "/metrics", seconds=seconds)

    def tuning(self) -> dict[str, Any]:
        return self._json("GET", "/api/v1/tuning")

    def try_(self, rollout: int, rollout_token: int, profile: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Put the profile on trial, or prolong its trial."""
        body = {"rollout": rollout, "token": rollout_token, "profile": profile, "trial_seconds": seconds}
        return self._json("PUT", "/api/v1/tuning", body)

    def back(self, rollout: int, rollout_token: int) -> dict[str, Any]:
        return self._json("POST", "/api/v1/tuning/back", {"rollout": rollout, "token": rollout_token})

    def settled(self, seconds: float) -> dict[str, Any]:
        """Its tuning once it is in no trial any more. Raises AgentError if that takes longer."""
        until = time.monotonic() + seconds
        while True:
            seen = self.tuning()
            if seen["state"] != "trial" and not seen["restart"]:
                return seen
            if time.monotonic() >= until:
                raise AgentError(f"{self.url} is still in a trial after {seconds:g} s.")
            time.sleep(0.25)

    def _json(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        text = self._ask(method, path, body)
        try:
            said = json.loads(text)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise AgentError(f"{self.url}{path} did not answer with a JSON object: is it an agent?")
        return said

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None, seconds: float = ANSWER) -> str:
        request = urllib.request.Request(self.url + path, method=method)  # noqa: S310 - its scheme is the inventory's
        if self._token:
            request.add_header("Authorization", "Bearer " + self._token)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with self._opener.open(request, timeout=seconds) as answered:
                return answered.read().decode()
        except urllib.error.HTTPError as error:
            raise AgentError(f"{self.url} refuses {method} {path}: {_detail(error)}", error.code) from error
        except (OSError, ValueError, http.client.HTTPException) as error:  # URLError is an OSError
            raise AgentError(f"{self.url} does not answer: {getattr(error, 'reason', error)}.") from error


def _detail(error: urllib.error.HTTPError) -> str:
    """What a problem's answer says."""
    try:
        with error:
            return str(json.loads(error.read().decode())["detail"])
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException):
        return f"status {error.code}."
