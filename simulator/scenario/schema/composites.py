"""Sections of options that are made of other options, and of answer quality."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from simulator.analysis.quality.difficulty import DEFAULT_CORRELATION
from simulator.scenario.document.base_section import Count, NonNegative, Section, Share


class SplitPrompts(Section):
    """Split long prompts into parts, answer each part, and combine the answers in a last call."""

    above_tokens: Count
    """Longest part in tokens, for example the prompt length at which an offer's surcharge
    begins."""
    part_output_tokens: Count
    """Output tokens of the answer to each part; the last call reads all of these answers."""


class Retrieve(Section):
    """Send only the passages that a search finds, instead of the whole prompt."""

    tokens: Count
    """Length of a prompt with its passages in tokens; longer prompts are cut to it."""
    usd_per_1000_requests: NonNegative = 0.0
    """Cost of searching for 1000 requests: embeddings, index, re-ranking."""


class Choose(Section):
    """Values to try for some keys of a deployment, in every combination."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Annotated[list[Any], Field(min_length=1)]]


class Pools(Section):
    """Divide the workloads among options that run in parallel."""

    kind: Literal["pools"]
    pools: Annotated[list[str], Field(min_length=2)]
    """Names of the `api`, `gateway`, `selfhost` or `hybrid` options that share the workloads."""
    assign: dict[str, str] = Field(default_factory=dict)
    """Pool of each workload by name; other workloads go to the pool that serves them cheapest."""


class Cascade(Section):
    """Try options in order, the next one whenever a check rejects the answer of the last."""

    kind: Literal["cascade"]
    stages: Annotated[list[str], Field(min_length=2)]
    """Names of options with a `success_rate`, in the order in which they are tried."""


Composite = Pools | Cascade
"""Sections of options that are made of others; one line for each kind."""


class Quality(Section):
    """Quality of answers: how they are checked, and what follows a wrong one."""

    attempts: Annotated[int, Field(ge=1, le=20)] = 1
    """Most attempts of one option at a request, until an answer passes the check."""
    catches: Share = 1.0
    """Share of wrong answers that the check detects."""
    false_alarms: Share = 0.0
    """Share of right answers that the check rejects."""
    check_s: NonNegative = 0.0
    """Duration of one check in seconds."""
    evaluations: str | None = None
    """File of evaluation runs, or of totals by model, relative to the scenario; or `aider`, the
    shipped leaderboard (225 exercises). `evaluated_as` of an option names its model there."""
    reference: str | None = None
    """Model of the evaluations whose answers are as long as those of the traffic; the lengths of
    other models' answers are scaled by their tokens in the evaluations."""
    least_right: Share = 0.0
    """Share of requests that must have a right answer in the end. Options below it are not
    feasible, and neither are options without a `success_rate`."""
    correlation: Share = DEFAULT_CORRELATION
    """Correlation of the success of different models at the same request, because hard requests are
    hard for all of them; the default is computed from SWE-bench Verified."""
