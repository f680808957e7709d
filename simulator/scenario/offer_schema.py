"""What an entry of the price overlay may say. Field texts are descriptions in the JSON schema."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field

from simulator.scenario.sections import Count, NonNegative, Positive, Section, Share


class CacheRule(Section):
    """A provider's prompt cache; see ``pricing.caching.PromptCache``."""

    rule: Literal["none", "prefix", "breakpoint", "unit"]
    min_tok: Annotated[int, Field(ge=0)] = 0
    step_tok: Count = 1
    ttl_s: NonNegative = 0
    long_ttl_s: Positive | None = None
    """Of the long lifetime, where one is sold."""
    max_age_s: Positive | None = None
    machine_per_min: Positive | None = None
    marks: Count = 4
    end_mark: bool = True
    lookback: Count | None = None
    stored: bool = False


class Behaviour(Section):
    """Latency and speed of an endpoint as its client sees them."""

    ttft_median_s: Positive
    ttft_sigma: NonNegative
    prefill_token_s: NonNegative
    output_tok_s: Positive
    speed_sigma: NonNegative
    error_rate: Share = 0.0
    """Share of attempts that fail although the endpoint is up."""
    window_s: Positive | None = None
    """Work that takes longer expires, unpaid."""


class RateLimit(Section):
    """A rate limit, as a bucket that refills continuously."""

    of: Literal["requests", "input_tok", "output_tok", "tok"]
    """output_tok reserves the declared output and gives back the rest; tok is input and declared
    output."""
    amount: Positive
    """How much in each period."""
    per: Literal["second", "minute", "hour", "day"] = "minute"
    """Length of the period."""
    burst_s: Positive | None = None
    """The bucket holds what refills in this time; default: the period."""


class SpendLimit(Section):
    """Money that may be spent in every period."""

    usd: Positive
    """Most that is spent in a period."""
    period_hours: Positive
    """After which it begins anew."""


class Tier(Section):
    """What an account may do."""

    limits: list[RateLimit] = Field(default_factory=list)
    concurrency: Count | None = None
    spend_limit: SpendLimit | None = None
    max_output_tok: Count | None = None


Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class When(Section):
    """Conditions of a rate row, all of which must be true."""

    prompt_tokens_above: Count | None = None
    prompt_tokens_from: Count | None = None
    from_time: date | datetime | None = None
    """UTC day or moment."""
    until_time: date | datetime | None = None
    context: Literal["batch", "flex", "priority"] | None = None
    thinking: bool | None = None
    content: Literal["prose", "code"] | None = None
    cached_share_from: Share | None = None
    utc_window_s: tuple[NonNegative, NonNegative] | None = None
    replaces: bool = False
    """Stands in the place of all rows before it."""


class Row(Section):
    """Rates that hold under conditions; later rows win for the buckets that they name."""

    when: When
    rates: dict[str, NonNegative]


class Peak(Section):
    """When the snapshot's windows by the time of day hold."""

    utc_days: list[Day]
    not_on: Literal["china"]
    """Calendar of the holidays on which they do not."""


class Offer(Section):
    """One entry of the overlay."""

    as_of: date | None = None
    rates: dict[str, NonNegative] = Field(default_factory=dict)
    """USD per Mtok by bucket, behind the snapshot's rows where it has some."""
    rows: list[Row] = Field(default_factory=list)
    peak: Peak | None = None
    billed_at: Literal["start", "completion"] = "start"
    regions: dict[str, Positive] = Field(default_factory=dict)
    """Factor on every rate when calls must stay in a region."""
    context_tok: Count | None = None
    max_output_tok: Count | None = None
    refuses_long_outputs: bool = False
    """A declared output above the greatest is an error; else the output is cut."""
    cache: CacheRule | None = None
    cached_counts: bool = True
    """Cached prompt tokens count towards rate limits."""
    tiers: dict[str, Tier] = Field(default_factory=dict)
    availability: Share | None = None
    """Share of time in which the provider is up."""
    endpoint: Behaviour | None = None
    """Absent: the offer has prices, but cannot be simulated."""
    contexts: dict[Literal["batch", "flex", "priority"], Behaviour] = Field(default_factory=dict)
    """How the endpoint behaves when served otherwise."""
    source: str
