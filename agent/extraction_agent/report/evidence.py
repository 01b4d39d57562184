"""The files of a run folder, which every measurement of an acceptance run is written to: their strict models.

Whoever measures writes one of them; the report reads them and nothing else. Seconds, bytes, shares from 0 to 1 and
records a minute throughout; a share of CPU is of one core, 1.5 is one and a half cores.
"""

from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, ConfigDict, Field, JsonValue, model_validator

from extraction_agent.judge.samples import Buckets, Count, Seconds
from extraction_agent.model import Strict, Word

VERSION = 1  # of all these files

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Figure = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Shape = Literal["steady", "ramp", "spike", "stress"]


class _Part(Strict):
    model_config = ConfigDict(strict=True)  # true is not 1, "7" is not 7


class Sourced(_Part):
    """What every file begins with."""

    kind: str
    version: Literal[1]
    scenario: Annotated[Word, Field(description="the scenario's name; files of two scenarios are refused together")]
    measured_at: AwareDatetime


# What is asked for: scenario.yml


class Floors(Strict):
    """The user's figures, A1 to A8."""

    throughput_records_per_minute: Figure = 20_000
    p95_seconds: Positive = 0.2
    p99_seconds: Positive = 0.5
    query_p95_seconds: Positive = 0.05
    pool_use: Share = 0.8
    pool_timeouts: Count = 0
    memory_increase: Figure = 0.1
    cpu_increase: Figure = 0.2
    load_users: Annotated[int, Field(ge=1)] = 100
    load_seconds: Annotated[Positive, Field(description="at scale 1")] = 1800
    error_rate: Annotated[Share, Field(description="of requests; below it a load is held")] = 0.01


class Risk(Strict):
    """What may go wrong, and what is done about it."""

    risk: Word
    level: Literal["LOW", "MEDIUM", "HIGH"]
    answer: Word


class LoadAsked(Strict):
    """Which loads of users the new profile is to bear."""

    shapes: tuple[Shape, ...] = Field(("steady", "ramp", "spike", "stress"), min_length=1)


class Scenario(Strict):
    """What the report needs of scenario.yml; the workflow, which knows all of its keys, refuses a wrong one."""

    model_config = ConfigDict(extra="ignore")

    name: Word
    description: str = ""
    before: Annotated[Word, Field(description="the profile that is the old way")] = "baseline"
    after: Annotated[Word, Field(description="the profile to be accepted")] = "optimized"
    floors: Floors = Field(default_factory=Floors)
    load: LoadAsked = Field(default_factory=LoadAsked)
    risks: tuple[Risk, ...] = ()
    lessons: tuple[Word, ...] = ()


# What was measured: testing/


class Machine(Sourced):
    """testing/machine.json: what benchmarks/machine.py tells."""

    kind: Literal["machine"]
    cores: Annotated[int, Field(ge=1)]
    processor: str
    memory_gib: Positive
    kernel: str
    system: str
    python: str
    load_average: tuple[Figure, ...]
    versions: dict[str, str]


class PoolUse(_Part):
    """One pool over one run. The shares are of samples, one a second or so: in use by most."""

    active_most: Count
    most: Annotated[Count, Field(description="its maximum")]
    use_mean: Share
    use_p95: Annotated[Share, Field(description="which 95 % of the samples do not pass")]
    timeouts: Annotated[Count, Field(description="callers that got no connection in time")]


class AgentSample(_Part):
    """The agent in one slot of a run: differences of its counters, and gauges. None: not known."""

    at_seconds: Annotated[Seconds, Field(description="since the run's begin")]
    seconds: Annotated[Positive, Field(description="how long the slot was")]
    records: Count | None = None
    busy_seconds: Seconds | None = None
    attempts: Count | None = None
    failures: Count | None = None
    requests: Annotated[Buckets | None, Field(description="answers of the API by upper edge, cumulative")] = None
    queries: Annotated[Buckets | None, Field(description="statements at the store, likewise")] = None
    pool_use: Share | None = None
    cpu: Annotated[Figure | None, Field(description="of the agent's process")] = None
    rss_bytes: Count | None = None


class Run(_Part):
    """One profile once, from an extraction's start to its end. Runs of one round are compared with each other."""

    round: Annotated[int, Field(ge=1)]
    started_at: AwareDatetime
    records: Count
    seconds: Positive
    records_per_minute: Figure
    agent_cpu_seconds: Annotated[Seconds | None, Field(description="of the agent's process")] = None
    source_cpu_seconds: Annotated[Seconds | None, Field(description="of the source's server")] = None
    store_cpu_seconds: Annotated[Seconds | None, Field(description="of the store's server")] = None
    rss_peak_bytes: Annotated[Count | None, Field(description="of the agent's process")] = None
    connections_most: Annotated[Count | None, Field(description="of the agent, to source and store")] = None
    pools: dict[Word, PoolUse] = Field(default_factory=dict, description="by the pool's name")
    samples: tuple[AgentSample, ...] = ()

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if abs(self.records_per_minute * self.seconds - 60 * self.records) > max(0.01 * 60 * self.records, 60):
            raise ValueError(
                f"{self.records} records in {self.seconds:g} s are not {self.records_per_minute:g} a minute"
            )
        return self


class RunsOf(_Part):
    """All runs of one profile, one a round."""

    runs: Annotated[tuple[Run, ...], Field(min_length=1)]


def _same_rounds(rounds: dict[str, list[int]]) -> None:
    first = next(iter(rounds), "")
    for name, numbers in rounds.items():
        if len(set(numbers)) < len(numbers):
            raise ValueError(f"{name} has a round twice")
        if numbers != rounds[first]:
            raise ValueError(f"rounds of {name} are {numbers}, of {first} {rounds[first]}: each runs once a round")


class _Interleaved(Sourced):
    profiles: Annotated[dict[Word, RunsOf], Field(min_length=1)]

    @model_validator(mode="after")
    def _paired(self) -> Self:
        _same_rounds({name: [run.round for run in one.runs] for name, one in self.profiles.items()})
        return self


class Throughput(_Interleaved):
    """testing/throughput.json: each profile at full load on the same data, interleaved."""

    kind: Literal["throughput"]
    command: str
    rows: Annotated[Count, Field(description="of the source's table")]
    columns: Count


class Resources(_Interleaved):
    """testing/resources.json: each profile at the same offered load. A run says what of it was reached."""

    kind: Literal["resources"]
    command: str
    offered_records_per_minute: Positive


class QueryRun(_Part):
    """All statements at the store during one run, of every class together."""

    round: Annotated[int, Field(ge=1)]
    count: Count
    p50_seconds: Seconds
    p95_seconds: Seconds
    buckets: Buckets = Field(default_factory=dict, description="by upper edge, cumulative")


class Statement(_Part):
    """One statement, or one class of statements, over all runs of a profile."""

    name: Word
    calls: Count
    mean_seconds: Seconds | None = None
    p50_seconds: Seconds | None = None
    p95_seconds: Seconds | None = None
    plan: Annotated[str | None, Field(description="as EXPLAIN tells it")] = None


class QueriesOf(_Part):
    """The store's answers under one profile."""

    runs: Annotated[tuple[QueryRun, ...], Field(min_length=1)]
    statements: tuple[Statement, ...] = ()


class Queries(Sourced):
    """testing/queries.json: how soon the store answers each profile."""

    kind: Literal["queries"]
    command: str
    profiles: Annotated[dict[Word, QueriesOf], Field(min_length=1)]

    @model_validator(mode="after")
    def _paired(self) -> Self:
        _same_rounds({name: [run.round for run in one.runs] for name, one in self.profiles.items()})
        return self


class Latency(_Part):
    """Of the requests of a load that were served; a refusal, which is soon said, would flatter it."""

    p50: Seconds
    p75: Seconds | None = None
    p90: Seconds | None = None
    p95: Seconds
    p99: Seconds
    p999: Seconds | None = None
    max: Seconds


ENOUGH_REQUESTS = 1_000  # of a load: of fewer no 99th percentile can be told, nor a share of a hundredth


class Load(Sourced):
    """testing/load/<profile>-<shape>.json: one run of k6, and what the agent's own metrics said meanwhile."""

    kind: Literal["load"]
    command: str
    profile: Word
    shape: Shape
    scale: Annotated[Positive, Field(description="of the durations; 1 is the user's minutes")]
    users: Annotated[int, Field(ge=1, description="at most at once")]
    seconds: Annotated[Positive, Field(description="that it lasted")]
    aborted: Annotated[bool, Field(description="it did not come to its end")]
    requests: Count
    failed: Annotated[Count, Field(description="of these; not served and not refused")]
    refused: Annotated[Count, Field(description="of these; 429 with Retry-After: beyond capacity, and told so")]
    latency_seconds: Latency
    pools: dict[Word, PoolUse] = Field(default_factory=dict, description="by the pool's name")
    records_per_minute: Annotated[Figure | None, Field(description="extracted beside it")] = None
    samples: tuple[AgentSample, ...] = ()
    k6: dict[str, JsonValue] = Field(default_factory=dict, description="its summary, as it came")

    @property
    def fullest_pool(self) -> str | None:
        """The one of which most was in use; None: no pool's use is known."""
        return max(self.pools, key=lambda name: self.pools[name].use_p95, default=None)


class Tests(Sourced):
    """testing/tests.json: the existing tests."""

    __test__ = False  # to pytest it is none

    kind: Literal["tests"]
    command: str
    passed: Count
    failed: Annotated[Count, Field(description="or ended by an error")]
    skipped: Count
    deselected: Annotated[Count | None, Field(description="not even begun, since others were asked for")] = None
    seconds: Seconds


# What else is known: history.json, state.json, compliance/, operations/


class Job(_Part):
    """One finished extraction of the user's own."""

    extraction_id: Count
    created_at: AwareDatetime
    seconds: Seconds
    rows: Count


class Jobs(_Part):
    """Of one config, on one side of the change. Those that were cancelled are left out."""

    succeeded: tuple[Job, ...]
    failed: tuple[Job, ...]


class BeforeAfter(_Part):
    """Jobs of one config."""

    before: Jobs
    after: Jobs


class History(Sourced):
    """history.json: what the user's own jobs took, before and after the change."""

    kind: Literal["history"]
    changed_at: Annotated[AwareDatetime, Field(description="jobs created earlier are before, the others after")]
    configs: Annotated[dict[Word, BeforeAfter], Field(description="by the config's name")]

    @model_validator(mode="after")
    def _sorted(self) -> Self:
        for name, config in self.configs.items():
            for job in (*config.before.succeeded, *config.before.failed):
                if job.created_at >= self.changed_at:
                    raise ValueError(f"extraction {job.extraction_id} of {name} is before, yet was created after")
            for job in (*config.after.succeeded, *config.after.failed):
                if job.created_at < self.changed_at:
                    raise ValueError(f"extraction {job.extraction_id} of {name} is after, yet was created before")
        return self


class Phase(_Part):
    """One phase of the workflow. Not done: its gate does not hold for want of something, not for a failure."""

    model_config = ConfigDict(extra="ignore")

    name: Word
    outcome: Literal["pending", "running", "passed", "failed", "not done", "skipped"]
    because: str = ""


class State(Sourced):
    """state.json: how far the workflow came. The report needs no more of it than this."""

    model_config = ConfigDict(extra="ignore")

    kind: Literal["state"]
    phases: tuple[Phase, ...]


class Check(Sourced):
    """compliance/*.json and operations/*.json: something looked at. What could not be looked at was not passed."""

    kind: Literal["check"]
    name: Word
    outcome: Literal["passed", "failed", "not done"]
    because: Word
    command: str = ""
    facts: dict[str, JsonValue] = Field(default_factory=dict)
