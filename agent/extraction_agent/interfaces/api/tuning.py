"""The tuning this agent works with; to be read."""

from pydantic import BaseModel, Field

from extraction_agent.interfaces.api.operations import Call, Operations
from extraction_agent.profiles import Settings
from extraction_agent.store.tokens import Scope

operations = Operations()


class TuningView(BaseModel):
    """The profile in effect on this host."""

    profile: str
    description: str
    settings: Settings
    generation: int | None = Field(description="of the profile on this host; null: none was ever applied")


@operations.add("GET", "/api/v1/tuning", Scope.READ, TuningView)
async def show_tuning(call: Call) -> TuningView:
    """Show the profile in effect on this host."""
    profile = call.context.profile
    return TuningView(
        profile=profile.name,
        description=profile.description,
        settings=profile.settings,
        generation=call.context.generation(),
    )
