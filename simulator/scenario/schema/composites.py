"""What a scenario may say of options that are made of others, and of wrong answers."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from simulator.analysis.quality.difficulty import DEFAULT_CORRELATION
from simulator.scenario.document.base_section import Count, NonNegative, Section, Share


class SplitPrompts(Section):
    """Read long prompts in parts, then answer from what was found in each."""

    above_tokens: Count
    """Longest part, for example where an offer's surcharge begins."""
    part_output_tokens: Count
    """That each part is answered in; the final answer reads them all."""


class Retrieve(Section):
    """Search for passages instead of sending everything."""

    tokens: Count
    """Of a prompt with its passages; longer ones are cut to it."""
    usd_per_1000_requests: NonNegative = 0.0
    """Of the search: embeddings, index, re-ranking."""


class Choose(Section):
    """Values to try for some of a deployment's keys, in every combination."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Annotated[list[Any], Field(min_length=1)]]


class Pools(Section):
    """Share workloads out among options that serve them beside one another."""

    kind: Literal["pools"]
    pools: Annotated[list[str], Field(min_length=2)]
    """Names of api, gateway, selfhost or hybrid options."""
    assign: dict[str, str] = Field(default_factory=dict)
    """Pool by workload; what is not named goes where it is cheapest."""


class Cascade(Section):
    """Ask the first option; when a check turns its answer away, ask the next."""

    kind: Literal["cascade"]
    stages: Annotated[list[str], Field(min_length=2)]
    """Names of options with a success_rate, in the order in which they are asked."""


class Quality(Section):
    """What happens to wrong answers."""

    attempts: Annotated[int, Field(ge=1, le=20)] = 1
    """How often one option is asked at most, until the check lets an answer pass."""
    catches: Share = 1.0
    """Share of wrong answers that the check finds."""
    false_alarms: Share = 0.0
    """Share of right answers that it turns away."""
    check_s: NonNegative = 0.0
    """How long it takes."""
    evaluations: str | None = None
    """Logs of an evaluation, or totals by model, relative to the scenario; or aider, the shipped
    leaderboard (225 exercises). Options say who they are there by `evaluated_as`."""
    reference: str | None = None
    """Model of the evaluations whose answers are as long as the traffic says; the others' are
    longer or shorter by their tokens."""
    least_right: Share = 0.0
    """Share of requests that must be answered rightly in the end; options that do not, or whose
    success_rate is not known, are out."""
    correlation: Share = DEFAULT_CORRELATION
    """Of success, by how hard a task is for every model; computed from SWE-bench Verified."""
