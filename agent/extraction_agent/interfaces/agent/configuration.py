"""What the daemon runs by: the configuration file and the profile it names, resolved and held against each other."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from extraction_agent import config, errors, profiles, secrets

# What a running daemon cannot change: it is bound to the one, and the other holds its work.
_FIXED = (
    "store.url", "store.secret", "api.listen", "api.port", "cache.redis_url", "cache.secret", "state_directory"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Configuration:
    """Read once, never changed; a reload reads another."""

    config: config.Config
    profile: profiles.Profile  # in force
    named: profiles.Profile  # which the file names; it is in force until a rollout brings another

    @property
    def drain_seconds(self) -> float:
        return self.config.drain_seconds

    def tuned(self, profile: profiles.Profile | None) -> Self:
        """With another profile in force; None: the one that the file names."""
        return replace(self, profile=profile or self.named)

    def store_url(self) -> str:
        """With its password. Raises UsageError if the secret is not here."""
        return secrets.join(self.config.store.url, self._secret(self.config.store.secret))

    def redis_password(self) -> str | None:
        """Raises UsageError if the secret is not here."""
        return self._secret(self.config.cache.secret)

    def reserved_secrets(self) -> frozenset[str]:
        """Variables of the secrets that open no source: whoever may add a source could have them sent to it."""
        key = self.config.api.tls and secrets.credential(self.config.api.tls.key)
        names = (self.config.store.secret, self.config.cache.secret, key)
        return frozenset(secrets.variable(name) for name in names if name)

    def resolved(self) -> dict[str, Any]:
        """All of it with defaults and the profile's settings; secrets are names only."""
        return {
            **self.config.model_dump(mode="json"),
            "profile": {"name": self.profile.name, "settings": self.profile.settings.model_dump(mode="json")},
        }

    def refuse_from(self, running: "Configuration") -> None:
        """Raise UsageError if a daemon that runs by another configuration cannot go over to this one."""
        fixed = [name for name in _FIXED if _value(self.config, name) != _value(running.config, name)]
        if (self.config.api.tls is None) != (running.config.api.tls is None):
            fixed.append("api.tls")
        if fixed:
            raise errors.UsageError(f"{', '.join(fixed)} changed, which only a restart can follow.")

    @staticmethod
    def _secret(name: str | None) -> str | None:
        return None if name is None else secrets.resolve(name)


def load(path: Path) -> Configuration:
    """Read the file and its profile; nothing else is touched. Raises UsageError."""
    loaded = config.load(path)
    profile = loaded.profile
    if "/" in profile or profile.endswith((".yml", ".yaml")):  # a file, and relative to the one that names it
        profile = str(path.parent / profile)
    named = profiles.load(profile)
    return Configuration(loaded, named, named)


def _value(loaded: config.Config, name: str) -> Any:
    value: Any = loaded
    for part in name.split("."):
        value = getattr(value, part)
    return value
