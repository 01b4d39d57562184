"""The tuning this agent works with: what is in force, a trial of another profile, and the way back."""

from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel, Field

from extraction_agent import errors
from extraction_agent.interfaces.api.context import Context
from extraction_agent.interfaces.api.operations import Call, Operations
from extraction_agent.interfaces.api.views import Id
from extraction_agent.model import Strict
from extraction_agent.profiles import Settings
from extraction_agent.store.tokens import Scope
from extraction_agent.tuning.record import Order
from extraction_agent.tuning.trial import Host

operations = Operations()


class NewTrial(Strict):
    """A rollout's profile, to be tried on this host."""

    rollout: Id = Field(description="that runs")
    token: Id = Field(description="the rollout's")
    profile: dict[str, Any] = Field(description="the whole of it, as the rollout was begun with")
    trial_seconds: float = Field(ge=5, le=86_400, description="after which the host goes back unless it is committed")


class WayBack(Strict):
    """Whose trial is to end."""

    rollout: Id
    token: Id = Field(description="the rollout's")


class TrialView(BaseModel):
    """A generation that its rollout has not committed."""

    rollout: int
    seconds_left: float = Field(description="until the host goes back by itself")
    back_to: int | None = Field(description="the generation; null: the configuration's profile")


class WatchView(BaseModel):
    """What was committed is watched; what does not hold, the whole fleet takes back."""

    rollout: int
    seconds_left: float


class EndedView(BaseModel):
    """A trial that led to nothing."""

    generation: int
    rollout: int
    reason: str
    recorded: bool = Field(description="the store knows")


class GuardFigure(BaseModel):
    """What takes a host back during a trial, or the fleet during a watch; without either it does nothing."""

    guard: str
    unit: str
    value: float | None = Field(description="null: not enough has happened to judge")
    limit: float
    tripped: str | None = Field(description="why it would take the host back, or has")


class PartView(BaseModel):
    """This host's part in rollouts."""

    state: Literal["configured", "confirmed", "trial"]
    rollout: int | None = Field(description="that brought the profile in force")
    trial: TrialView | None
    watch: WatchView | None = Field(description="null: nothing is watched")
    last_back: EndedView | None = Field(description="the latest trial, if it led to nothing")
    restart: str | None = Field(description="why the agent is about to be started anew")
    guards: list[GuardFigure]


class TuningView(PartView):
    """The tuning in force on this host."""

    profile: str
    description: str
    settings: Settings
    generation: int | None = Field(description="of the profile in force; null: the configuration names it")
    token: int = Field(description="the highest this host has seen; 0: none")


@operations.add("GET", "/api/v1/tuning", Scope.READ, TuningView)
async def show_tuning(call: Call) -> TuningView:
    """Show the tuning in force on this host, its trial and its guards."""
    return _view(call.context)


@operations.add(
    "PUT", "/api/v1/tuning", Scope.TUNE, TuningView, HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND,
    HTTPStatus.INSUFFICIENT_STORAGE,
)  # fmt: skip
async def try_profile(call: Call, body: NewTrial) -> TuningView:
    """Try a profile on this host, for a rollout that runs. Again, during its trial: only prolongs it."""
    order = Order(body.rollout, body.token, body.profile, body.trial_seconds, call.who, call.request_id)
    await _host(call).try_(order)
    return _view(call.context)


@operations.add("POST", "/api/v1/tuning/back", Scope.TUNE, TuningView, HTTPStatus.CONFLICT)
async def go_back(call: Call, body: WayBack) -> TuningView:
    """End a rollout's trial on this host; what was in force before is again. Without such a trial, nothing changes."""
    await _host(call).back(body.rollout, body.token, call.who, call.request_id)
    return _view(call.context)


def _host(call: Call) -> Host:
    if call.context.host is None:
        raise errors.Conflict("This process takes part in no rollout.")
    return call.context.host


def _view(context: Context) -> TuningView:
    profile = context.profile
    return TuningView(
        profile=profile.name,
        description=profile.description,
        settings=profile.settings,
        generation=context.generation,
        token=0 if context.host is None else context.host.token,
        **dict(part(context)),
    )


def part(context: Context) -> PartView:
    """As it is now; no database is asked."""
    host = context.host
    if host is None:
        return PartView(
            state="configured", rollout=None, trial=None, watch=None, last_back=None, restart=None, guards=[]
        )
    held, trial, ended, watched = host.generation, host.trial, host.ended, host.vigil.rollout
    return PartView(
        state="trial" if trial is not None else "configured" if held is None else "confirmed",
        rollout=None if held is None else held.rollout,
        trial=None
        if trial is None
        else TrialView(rollout=trial.rollout, seconds_left=round(host.left, 1), back_to=host.back_to),
        watch=None if watched is None else WatchView(rollout=watched, seconds_left=round(host.vigil.left, 1)),
        last_back=None
        if ended is None
        else EndedView(generation=ended.number, rollout=ended.rollout, reason=ended.reason, recorded=ended.told),
        restart=host.restart,
        guards=[GuardFigure.model_validate(figure, from_attributes=True) for figure in host.watch.figures()],
    )
