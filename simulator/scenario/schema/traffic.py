"""Sections of traffic: generated sessions or a replayed log."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator

from simulator.scenario.document.base_section import (
    Count,
    NonNegative,
    Positive,
    Section,
    Share,
    Whole,
)
from simulator.scenario.schema.names import WeekName
from simulator.traffic.rate import NOISE_SCALES_S


class Lognormal(Section):
    """A lognormal distribution of lengths, times or counts."""

    median: Positive
    """Median: half of the draws are above it."""
    sigma: NonNegative
    """Standard deviation of the natural logarithm."""
    most: Positive | None = None
    """Largest value; larger draws are cut to it. Default: no limit."""


class Quantiles(Section):
    """A distribution by its quantiles; the logarithm is interpolated linearly between them."""

    quantiles: dict[Annotated[str, Field(pattern=r"^p\d{1,2}(\.\d+)?$")], Positive]
    """Quantiles of the distribution, for example {p10: 24, p50: 350, p99: 1119}."""
    most: Positive | None = None
    """Largest value; larger draws are cut to it. Default: no limit."""


class Geometric(Section):
    """A geometric distribution of counts from 1 on, ending with equal probability at each."""

    mean: Annotated[float, Field(ge=1)]
    """Mean count."""


AMOUNTS: tuple[type[Section], ...] = (Lognormal, Quantiles, Geometric)
"""Sections that may be written in place of a number for an amount."""


def _amount_kind(value: Any) -> str:
    # Error locations contain both kinds and keys, so no kind may have the name of a key.
    for key, model, kind in (
        ("mean", Geometric, "geometric"), ("quantiles", Quantiles, "by quantiles")
    ):  # fmt: skip
        if isinstance(value, model) or (isinstance(value, dict) and key in value):
            return kind
    return "lognormal" if isinstance(value, dict | Lognormal) else "number"


Amount = Annotated[
    Annotated[NonNegative, Tag("number")]
    | Annotated[Lognormal, Tag("lognormal")]
    | Annotated[Quantiles, Tag("by quantiles")]
    | Annotated[Geometric, Tag("geometric")],
    Discriminator(_amount_kind),
]


class Tenants(Section):
    """Tenants: clients of unequal size, each with its own system prompt."""

    count: Count
    """Number of tenants."""
    zipf: NonNegative = 0.0
    """Exponent of the tenants' shares of the traffic: a share falls with this power of the rank."""
    rate_cv: NonNegative = 0.0
    """Coefficient of variation of the rate of each tenant over ten minutes."""


class Tools(Section):
    """Turns that follow a tool call instead of a message of the user."""

    share: Share
    """Share of tool turns among the turns after a session's first."""
    gap_s: Amount
    """Seconds that a tool takes."""
    message_tokens: Amount
    """Tokens of a tool's result."""


class Documents(Section):
    """Retrieved passages, which follow the system prompt of each request."""

    count: Count
    """Number of different passages."""
    zipf: NonNegative
    """Exponent of the passages' popularity, which falls with this power of the rank."""
    per_request: Annotated[int, Field(ge=1, le=64)]
    """Number of passages in a prompt."""
    share: Share = 1.0
    """Share of requests that contain passages."""
    tokens: Amount
    """Length of a passage in tokens."""


class Retries(Section):
    """Repeated requests: the user asks for an answer again, with the same prompt."""

    share: Share
    """Share of answers that are requested again."""
    gap_s: Amount = 5.0
    """Seconds from the end of an answer to the repeated request."""


class Sessions(Section):
    """Generated sessions, which arrive independently; later turns follow the answers."""

    kind: Literal["sessions"]
    preset: str | None = None
    """Preset that supplies all keys not given here: chat, rag, agentic_coding and others."""
    requests_per_month: Positive
    """Mean requests per month at the start; a month has 730 hours."""
    growth_per_month: Annotated[float, Field(gt=-1)] = 0.0
    """Share by which the volume grows each month, compounded."""
    week: WeekName
    """Weekly shape of the rate: flat, azure-conversation or azure-code."""
    rate_cv: dict[int, NonNegative] = Field(default_factory=dict)
    """Coefficient of variation of the rate at each time scale in seconds: 1, 10, 60, 600, 3600."""
    tenants: Tenants = Tenants(count=1)
    turns: Amount
    """Number of requests in a session, rounded up."""
    gap_s: Amount
    """Seconds from the end of an answer to the user's next turn."""
    system_prompt_tokens: Amount
    """Tokens of the system prompt, with which every prompt of a tenant begins."""
    first_message_tokens: Amount | None = None
    """Tokens of a session's first message. Default: `message_tokens`."""
    message_tokens: Amount
    """Tokens that the user adds in each turn."""
    output_tokens: Amount
    """Tokens of an answer, visible and reasoning together."""
    input_output_correlation: Annotated[float, Field(ge=-0.99, le=0.99)] = 0.0
    """Correlation of message length and output length, as normal scores."""
    reasoning_share: Amount | None = None
    """Share of an answer that is reasoning, which later prompts do not repeat. Default: none."""
    tools: Tools | None = None
    documents: Documents | None = None
    retries: Retries | None = None
    compact_to_tokens: Amount | None = None
    """Tokens of the summary with which a session continues that would exceed `max_prompt_tokens`.
    Default: such a session ends."""
    max_output_tokens: Count
    """Output limit that every request declares."""
    max_prompt_tokens: Count
    """Longest prompt; a session that would exceed it ends, or is compacted."""
    prefix_share: Share = 1.0
    """Share of sessions whose prompts keep a stable prefix; no cache can reuse those of the
    rest."""
    content: Literal["prose", "code"] = "prose"
    """Kind of output, for offers whose price depends on it."""
    patience_s: Positive | None = None
    """Seconds after which a client gives up if its answer is not complete. Default: never."""
    deadline_hours: Positive | None = None
    """Hours from arrival within which batch work must be complete. Default: interactive work, which
    does not wait."""
    priority: Whole = 0
    """Priority in queues that are served by priority; lower numbers are served first."""

    @field_validator("rate_cv")
    @classmethod
    def _check_scales(cls, value: dict[int, float]) -> dict[int, float]:
        for scale in value:
            if scale not in NOISE_SCALES_S:
                raise ValueError(f"time scales are {', '.join(map(str, NOISE_SCALES_S))} [s]")
        return value


class Replay(Section):
    """A replayed log of recorded requests."""

    kind: Literal["replay"]
    path: str
    """Path of the log, relative to the scenario."""
    format: str | None = None
    """Name of the log's format. Default: detected from the first part of the file."""
    skip_bad: bool = False
    """Whether rows that cannot be used are skipped and counted, instead of being errors."""
    begin_s: NonNegative = 0.0
    """Start of the part that is replayed, in seconds since the log's first request; earlier
    sessions are left out."""
    end_s: Positive | None = None
    """End of the part that is replayed, in seconds since the log's first request; later sessions
    are left out. Default: the end of the log."""
    stretch: Positive = 1.0
    """Factor on the times between arrivals of sessions; pauses within sessions do not change."""
    repeat_week: WeekName | None = None
    """Weekly shape over which the replayed part is repeated end to end. Default: the replayed part
    is the whole horizon."""
    patience_s: Positive | None = None
    """Seconds after which a client gives up if its answer is not complete. Default: never."""
    content: Literal["prose", "code"] = "prose"
    """Kind of output, for offers whose price depends on it."""
    priority: Whole = 0
    """Priority in queues that are served by priority; lower numbers are served first."""
