"""What a scenario may say about traffic: generated sessions or a replayed log."""

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
from simulator.traffic.rate import NOISE_SCALES_S


class Lognormal(Section):
    """Lognormal lengths or times."""

    median: Positive
    """Half of the draws are above it."""
    sigma: NonNegative
    """Of the logarithm."""
    most: Positive | None = None
    """Longer draws are cut off here."""


class Quantiles(Section):
    """Lengths or times by their quantiles; between them, the logarithm is linear."""

    quantiles: dict[Annotated[str, Field(pattern=r"^p\d{1,2}(\.\d+)?$")], Positive]
    """For example {p10: 24, p50: 350, p99: 1119}."""
    most: Positive | None = None
    """Longer draws are cut off here."""


class Geometric(Section):
    """Counts from 1 upwards that stop with the same chance after each."""

    mean: Annotated[float, Field(ge=1)]
    """Of the count."""


AMOUNTS: tuple[type[Section], ...] = (Lognormal, Quantiles, Geometric)
"""What may stand for an amount beside a number."""


def _amount_kind(value: Any) -> str:
    # No kind is named as a key is: places of problems are told by both.
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
    """Clients of unequal size, each with a system prompt of its own."""

    count: Count
    """Clients there are."""
    zipf: NonNegative = 0.0
    """Shares fall with this power of the rank."""
    rate_cv: NonNegative = 0.0
    """Coefficient of variation of each one's own rate over ten minutes."""


class Tools(Section):
    """Turns that answer a tool call instead of a person."""

    share: Share
    """Of the turns behind a session's first."""
    gap_s: Amount
    """How long a tool takes."""
    message_tokens: Amount
    """Tokens of what a tool gives back."""


class Documents(Section):
    """Passages put behind the system prompt of each request."""

    count: Count
    """Different passages there are."""
    zipf: NonNegative
    """Popularity falls with this power of the rank."""
    per_request: Annotated[int, Field(ge=1, le=64)]
    """Passages in a prompt."""
    share: Share = 1.0
    """Of the requests that hold any."""
    tokens: Amount
    """Of a passage."""


class Retries(Section):
    """Answers that are asked for once more, with the same prompt."""

    share: Share
    """Of the answers."""
    gap_s: Amount = 5.0
    """From an answer to its repetition."""


class Sessions(Section):
    """Generated sessions: they arrive by themselves, their turns follow the answers they get."""

    kind: Literal["sessions"]
    preset: str | None = None
    """Take what is not given here from a preset: chat, rag, agentic_coding and others."""
    requests_per_month: Positive
    """Mean volume at the start; a month has 730 hours."""
    growth_per_month: Annotated[float, Field(gt=-1)] = 0.0
    """Share by which the volume grows in a month, compounded."""
    week: str
    """Weekly shape: flat, azure-conversation or azure-code."""
    rate_cv: dict[int, NonNegative] = Field(default_factory=dict)
    """Coefficient of variation of the rate by time scale [s]: 1, 10, 60, 600, 3600."""
    tenants: Tenants = Tenants(count=1)
    turns: Amount
    """Requests in a session, rounded up."""
    gap_s: Amount
    """From the end of an answer to the user's next turn."""
    system_prompt_tokens: Amount
    """Tokens at the beginning of every prompt of a tenant."""
    first_message_tokens: Amount | None = None
    """Default: as message_tokens."""
    message_tokens: Amount
    """Tokens that the user adds in each turn."""
    output_tokens: Amount
    """Visible and reasoning."""
    input_output_correlation: Annotated[float, Field(ge=-0.99, le=0.99)] = 0.0
    """Of the normal scores of message and output."""
    reasoning_share: Amount | None = None
    """Share of the output that is reasoning; later prompts leave it out."""
    tools: Tools | None = None
    documents: Documents | None = None
    retries: Retries | None = None
    compact_to_tokens: Amount | None = None
    """A session that would outgrow max_prompt_tokens goes on from a summary; default: it ends."""
    max_output_tokens: Count
    """Declared limit of every request."""
    max_prompt_tokens: Count
    """A session that would outgrow it ends, or is compacted."""
    prefix_share: Share = 1.0
    """Share of sessions whose prompts keep a stable beginning; the rest can be cached nowhere."""
    content: Literal["prose", "code"] = "prose"
    """What the outputs are, for offers that price it."""
    patience_s: Positive | None = None
    """Clients give up when their whole answer is not there by then; default: never."""
    deadline_hours: Positive | None = None
    """Batch work: latest useful completion after arrival; default: interactive."""
    priority: Whole = 0
    """The least goes first where queues are served by priority."""

    @field_validator("rate_cv")
    @classmethod
    def _known_scales(cls, value: dict[int, float]) -> dict[int, float]:
        for scale in value:
            if scale not in NOISE_SCALES_S:
                raise ValueError(f"time scales are {', '.join(map(str, NOISE_SCALES_S))} [s]")
        return value


class Replay(Section):
    """A recorded log, replayed."""

    kind: Literal["replay"]
    path: str
    """File, relative to the scenario."""
    format: str | None = None
    """Name of the format; default: the one that the file's beginning shows."""
    skip_bad: bool = False
    """Leave out rows that cannot be used, and say how many."""
    begin_s: NonNegative = 0.0
    """Only sessions that start at this time since the log's first request, or later."""
    end_s: Positive | None = None
    """Only sessions that start in this window since the log's first request."""
    stretch: Positive = 1.0
    """Multiplies the times between arrivals, not the pauses inside sessions."""
    repeat_week: str | None = None
    """Lay the window end to end over a week of this shape; default: it is the whole horizon."""
    patience_s: Positive | None = None
    """Clients give up when their whole answer is not there by then; default: never."""
    content: Literal["prose", "code"] = "prose"
    """What the outputs are, for offers that price it."""
    priority: Whole = 0
    """The least goes first where queues are served by priority."""
