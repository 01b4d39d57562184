"""The rights that docs/explanation/rollout.md grants: enough for each side, and no more."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql as q

from agent.tuning.records import SETTINGS, begin, commit
from extraction_agent import errors, profiles
from extraction_agent.model import Verdict
from extraction_agent.sql import trusted
from extraction_agent.store.rollout_rows import IndexState, Point, Rollout, RolloutState, TrialState
from extraction_agent.store.store import Store
from extraction_agent.tuning.generations import Generation
from extraction_agent.tuning.record import Answer, Question
from support import Database

_PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "rollout.md"
_AUDIT = (  # docs/how-to/audit.md, for a role that owns none of it
    "GRANT SELECT, INSERT ON audit_log TO {0}; GRANT SELECT, UPDATE ON audit_head TO {0}; "
    "GRANT SELECT, INSERT, DELETE ON audit_pending TO {0}"
)


@pytest.fixture
def sides(store: Database) -> Iterator[tuple[Store, Store]]:
    """The controller's connection and the agent's, each with the page's rights and no other."""
    granted = re.findall(
        r"^    (GRANT .*) TO (extraction|controller);$", _PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(granted) == 7
    with ExitStack() as stack:
        owner = stack.enter_context(Store(store.url))
        opened = []
        for side in ("controller", "extraction"):
            role = q.Identifier(f"{side}_of_{store.value('SELECT current_database()')}")
            owner.connection.execute(q.SQL("CREATE ROLE {}").format(role))
            stack.callback(owner.connection.execute, q.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(role))
            owner.connection.execute(q.SQL(_AUDIT).format(role))
            for grant, whose in granted:
                if whose == side:
                    owner.connection.execute(q.SQL("{} TO {}").format(trusted(grant), role))
            connection = stack.enter_context(Store(store.url))
            connection.connection.execute(q.SQL("SET ROLE {}").format(role))
            opened.append(connection)
        yield opened[0], opened[1]


def test_each_side_can_do_its_part(sides: tuple[Store, Store]) -> None:
    controller, agent = sides
    begun = begin(controller)
    controller.renew_rollout(begun.id, begun.token, wave=1)
    index = controller.want_index(begun.id, begun.token, "store", "i", "CREATE INDEX …", ours=True)
    controller.advance_index(index, begun.token, IndexState.BUILT)
    controller.judge_rollout(begun.id, begun.token, 1, Verdict.INCONCLUSIVE, {})
    controller.override_verdict(begun.id, 1, "cli:bob", "a quiet night")
    agent.note_host(begun.id, "one", 2, TrialState.TRIAL, seconds=30)
    agent.note_host(begun.id, "one", 2, TrialState.BACK, reason="a guard tripped")
    assert [one.state for one in controller.rollout_hosts(begun.id)] == [TrialState.BACK]
    assert agent.abort_rollout(begun.id, "a guard tripped").state is RolloutState.ABORTED
    agent.drop_index(agent.rollout_indexes()[0])
    after = begin(controller)
    assert commit(controller, after).state is RolloutState.COMMITTED
    assert agent.committed_rollout() == controller.rollout(after.id)
    watched = controller.begin_rollout("next", SETTINGS, "a test", 60, 60)
    commit(controller, watched)
    agent.note_point(watched.id, Point("one", 0, 1, 1, 1, 1, 0, 1, 2))
    assert len(controller.points(watched.id)) == 1
    undone = agent.take_back(watched.id, "one", "a guard tripped", "configured", {})
    assert undone is not None
    assert controller.committed_rollout() == undone


def test_an_agent_begins_and_keeps_nothing(sides: tuple[Store, Store]) -> None:
    controller, agent = sides
    begun = begin(controller)
    for act in (
        lambda: agent.renew_rollout(begun.id, begun.token),
        lambda: agent.judge_rollout(begun.id, begun.token, 1, Verdict.GO, {}),
        lambda: agent.want_index(begun.id, begun.token, "store", "i", "CREATE INDEX …", ours=True),
        lambda: agent.pause_rollout(begun.id, paused=True),
    ):
        with pytest.raises(errors.StoreError, match="permission denied"):
            act()
    controller.abort_rollout(begun.id, "enough")
    with pytest.raises(errors.StoreError, match="permission denied"):
        begin(agent)
    with pytest.raises(errors.StoreError, match="permission denied"):
        controller.note_host(begun.id, "one", 2, TrialState.CONFIRMED)


# A watch that wants the fleet back, and one right that its agent lacks


def _ask_for_the_way_back(controller: Store, agent: Store) -> tuple[Rollout, Answer]:
    """Returns what was committed, and what the agent's question about it brought."""
    begun = controller.begin_rollout("tried", SETTINGS, "a test", 60, 60)
    committed = commit(controller, begun)
    profile = profiles.load("optimized")
    held = Generation(number=1, rollout=committed.id, token=committed.token, profile=profile)
    noted = ((committed.id, Point("one", 0, 1, 1, 1, 1, 0, 1, 2, "a guard tripped")),)
    answer = Question("one", None, 0, None, held, committed.id, profile, "a guard tripped", noted).ask(agent)
    return committed, answer


def test_what_cannot_be_noted_keeps_no_fleet_from_its_way_back(sides: tuple[Store, Store], store: Database) -> None:
    _revoke(store, "INSERT ON rollout_points")
    tried, answer = _ask_for_the_way_back(*sides)
    assert "permission denied for table rollout_points" in str(answer.error)
    assert (answer.noted, answer.away) == ((), False)
    assert answer.committed is not None
    assert answer.committed.undoes == tried.id


def test_what_was_seen_is_noted_where_nobody_may_go_back(sides: tuple[Store, Store], store: Database) -> None:
    _revoke(store, "EXECUTE ON FUNCTION take_back_rollout")
    tried, answer = _ask_for_the_way_back(*sides)
    assert "permission denied for function take_back_rollout" in str(answer.error)
    assert not answer.away, "so the guards go on, and the way back is asked for again"
    assert answer.committed == replace(tried, watch_left=answer.committed.watch_left if answer.committed else 0)
    assert len(answer.noted) == len(sides[0].points(tried.id)) == 1


def _revoke(store: Database, right: LiteralString) -> None:
    role = q.Identifier(f"extraction_of_{store.value('SELECT current_database()')}")
    with psycopg.connect(store.url, autocommit=True) as owner:
        owner.execute(q.SQL("REVOKE {} FROM {}").format(q.SQL(right), role))
