"""Sections of traffic: generated sessions, calls of which only means are known, a replayed log."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from simulator.scenario.document.base_section import (
    Count,
    NonNegative,
    Positive,
    Section,
    Share,
    Whole,
)
from simulator.scenario.schema.amounts import Amount
from simulator.scenario.schema.volume import Week, Workload


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


class Sessions(Workload):
    """Generated sessions, which arrive independently; later turns follow the answers."""

    kind: Literal["sessions"]
    preset: str | None = None
    """Preset that supplies all keys not given here: chat, rag, agentic_coding and others."""
    week: Week
    """Weekly shape of the rate, as for `simple` traffic, but without a default."""
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
    stable_session_share: Share = 1.0
    """Share of sessions whose prompts keep a stable prefix; no cache can reuse those of the rest.
    The part of a prompt that all requests have in common is `system_prompt_tokens`."""


class Simple(Workload):
    """Calls of which only the means are known, as bills and dashboards show them."""

    kind: Literal["simple"]
    input_tokens: Positive
    """Mean tokens of a prompt, cached ones included."""
    output_tokens: NonNegative
    """Mean tokens of an answer, visible and reasoning together; 0 for embeddings."""
    reasoning_tokens: NonNegative = 0.0
    """Mean tokens of reasoning, which `output_tokens` contains."""
    shared_prompt_tokens: NonNegative | None = None
    """Tokens with which every prompt begins, such as a system prompt. Default: none, or as
    `cached_share` needs."""
    shared_prompt_share: Share | None = None
    """The same as a share of the mean prompt."""
    cached_share: Share | None = None
    """Share of prompt tokens that the provider reported as read from its cache: prompts begin with
    the shared tokens in as many requests as cause it. Default: in all."""
    requests_per_session: Annotated[float, Field(ge=1, le=500)] = 1.0
    """Mean requests of a session, whose later prompts repeat the earlier ones with their answers.
    `input_tokens` is the mean over all requests."""
    gap_s: Amount = Field(
        default_factory=lambda: {"median": 30, "sigma": 1.5, "most": 86400}, validate_default=True
    )
    """Seconds from an answer to the next request of a session."""
    input_sigma: NonNegative = 1.0
    """Standard deviation of the logarithm of prompt lengths; measured in the Azure conversation
    trace of 2023: 0.99."""
    output_sigma: NonNegative = 0.9
    """Standard deviation of the logarithm of answer lengths; measured in the same trace: 0.86."""
    max_prompt_tokens: Count | None = None
    """Longest prompt. Default: the power of two from 16 times the mean on."""
    max_output_tokens: Count | None = None
    """Output limit that every request declares. Default: the power of two from 8 times the mean on,
    at least 1,024."""

    @model_validator(mode="after")
    def _check_parts(self) -> "Simple":
        if self.shared_prompt_tokens is not None and self.shared_prompt_share is not None:
            raise ValueError("give shared_prompt_tokens or shared_prompt_share, not both")
        if self.reasoning_tokens > self.output_tokens:
            raise ValueError("reasoning_tokens exceeds output_tokens, which contains it")
        return self


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
    repeat_week: Week | None = None
    """Weekly shape, as `week` of generated traffic, over which the replayed part is repeated end to
    end. Default: the replayed part is the whole horizon."""
    patience_s: Positive | None = None
    """Seconds after which a client gives up if its answer is not complete. Default: never."""
    content: Literal["prose", "code"] = "prose"
    """Kind of output, for offers whose price depends on it."""
    priority: Whole = 0
    """Priority in queues that are served by priority; lower numbers are served first."""
