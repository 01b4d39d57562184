"""A rollout's controller, as a test plays it: the record in the store, and one host's API."""

from typing import Any, LiteralString

import psycopg
from psycopg import sql as q

from agent.tuning.records import commit
from daemons import Answer, Daemon, until
from extraction_agent import profiles
from extraction_agent.model import Consistency, Definition
from extraction_agent.pipeline.start import start
from extraction_agent.profiles import Profile, Settings
from extraction_agent.sources import open_source
from extraction_agent.store.rollout_rows import Rollout, TrialState
from extraction_agent.store.store import Store
from extraction_agent.tuning.watched import Watched
from support import Database

LEASE = 60.0  # s
TRIAL = 60.0  # s
BACK = 15.0  # s within which a host must be back
WIDE, NARROW = {"maximum": 12, "minimum_idle": 3}, {"maximum": 2, "minimum_idle": 0}
BEFORE = 50  # the optimized profile's connections


def profile(name: str = "tried", *, guards: dict[str, Any] | None = None, **settings: dict[str, Any]) -> Profile:
    """The optimized one, with changes."""
    made = profiles.load("optimized").model_dump(mode="json", exclude={"extends"})
    for group, values in settings.items():
        made["settings"][group] |= values
    made["guards"] |= guards or {}
    return Profile.model_validate({**made, "name": name})


class Controller:
    """Of one rollout after another."""

    def __init__(self, store: Database) -> None:
        self._store = Store(store.url)

    def close(self) -> None:
        self._store.close()

    def begin(self, wanted: Profile, lease: float = LEASE, watch: float = 0) -> Rollout:
        return self._store.begin_rollout(wanted.name, wanted.model_dump(mode="json"), "a test", lease, watch)

    def put(
        self, daemon: Daemon, rollout: Rollout, seconds: float = TRIAL, changes: dict[str, Any] | None = None
    ) -> Answer:
        """Ask a host to try it. changes: of the body."""
        body = {"rollout": rollout.id, "token": rollout.token, "profile": rollout.settings, "trial_seconds": seconds}
        return daemon.ask("/api/v1/tuning", "PUT", {**body, **(changes or {})})

    def try_(self, daemon: Daemon, wanted: Profile, seconds: float = TRIAL, lease: float = LEASE) -> Rollout:
        """Begin a rollout and have a host try it."""
        begun = self.begin(wanted, lease)
        answer = self.put(daemon, begun, seconds)
        assert answer.status == 200, answer.text
        return begun

    def commit(self, rollout: Rollout) -> None:
        """As one that was judged."""
        commit(self._store, rollout)

    def abort(self, rollout: Rollout, reason: str = "of a test") -> None:
        self._store.abort_rollout(rollout.id, reason)

    def renew(self, rollout: Rollout) -> None:
        self._store.renew_rollout(rollout.id, rollout.token)

    def found(self, rollout: Rollout) -> Rollout:
        return self._store.rollout(rollout.id)

    def host(self, rollout: Rollout) -> TrialState | None:
        """What the one host has said of itself, if anything."""
        return next((host.state for host in self._store.rollout_hosts(rollout.id)), None)

    def watched(self, rollout: Rollout) -> dict[str, Any]:
        """The report of its watch."""
        return Watched.of(self._store, self.found(rollout)).as_dict()

    def actions(self, limit: int = 100) -> list[tuple[str, str]]:
        """Of the audit log, with who did it; the oldest first."""
        return [(entry.action, entry.who.partition("-")[0]) for entry in reversed(self._store.entries(limit))]


def tuning(daemon: Daemon) -> dict[str, Any]:
    """What the host says of its tuning."""
    answer = daemon.ask("/api/v1/tuning")
    assert answer.status == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def on_trial(daemon: Daemon) -> bool:
    """As the metric says, which needs no store."""
    return daemon.metric("extraction_trial") == 1


def wait_for(daemon: Daemon, state: str, seconds: float = 15) -> dict[str, Any]:
    """Until the host's tuning is in this state."""
    until(lambda: tuning(daemon)["state"] == state, f"the state {state}", seconds)
    return tuning(daemon)


def pool_maximum(daemon: Daemon) -> float:
    """Of the connections to the store, as they are pooled now."""
    return daemon.metric('hikari_pool_max_connections{pool="store"}')


# A source that is slow by the row, or fails by the chunk, as a test wants it

_TYPE: LiteralString = "CREATE TYPE toil AS ENUM ('here')"
_KNOBS: LiteralString = "CREATE TABLE knobs AS SELECT 0.0::float8 AS seconds, 0.0::float8 AS failing"
_TOIL: LiteralString = """
CREATE FUNCTION toil(toil) RETURNS json LANGUAGE plpgsql AS $$
DECLARE
    knob knobs;
BEGIN
    SELECT * INTO knob FROM knobs;
    PERFORM pg_sleep(knob.seconds);
    IF random() < knob.failing THEN
        RAISE EXCEPTION 'planted' USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN to_json('done'::text);
END $$
"""
_TABLE: LiteralString = """
CREATE TABLE item AS
    SELECT n AS id, CASE WHEN n % 10 = 0 THEN 'here'::toil END AS toil FROM generate_series(1, {rows}) AS n
"""
_CAST: LiteralString = "CREATE CAST (toil AS json) WITH FUNCTION toil(toil)"


class Mill:
    """A table whose every tenth row makes the source's server work: to_json casts it, and the cast sleeps."""

    def __init__(self, source: Database, rows: int) -> None:
        self._source = source
        source.run(_TYPE, _KNOBS, _TOIL, _CAST)
        with psycopg.connect(source.url, autocommit=True) as connection:
            connection.execute(q.SQL(_TABLE).format(rows=q.Literal(rows)))
        source.run("ALTER TABLE item ADD PRIMARY KEY (id)", "VACUUM ANALYZE item")

    def set(self, seconds: float = 0.0, failing: float = 0.0) -> None:
        """seconds: of sleep for ten rows. failing: share of such rows that fail."""
        with psycopg.connect(self._source.url, autocommit=True) as connection:
            connection.execute("UPDATE knobs SET seconds = %s, failing = %s", (seconds, failing))

    def extraction(self, store: Database, chunk_rows: int) -> int:
        """Put an extraction of all rows on the queue. Returns its id."""
        wanted = Definition(table="item", chunk_rows=chunk_rows, consistency=Consistency.CHUNK)
        with Store(store.url) as opened:
            begun = start(opened, open_source(self._source.url), "mill", self._source.url, None, wanted, Settings())
        return begun.extraction_id
