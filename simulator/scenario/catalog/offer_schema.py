"""What an entry of the price overlay may say. Field texts are descriptions in the JSON schema."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field, model_validator

from simulator.pricing.caching import Rule
from simulator.scenario.document.base_section import Count, NonNegative, Positive, Section, Share


class CacheRule(Section):
    """A provider's prompt cache; see ``pricing.caching.PromptCache``."""

    rule: Rule
    min_tok: Annotated[int, Field(ge=0)] = 0
    step_tok: Count = 1
    ttl_s: NonNegative = 0
    long_ttl_s: Positive | None = None
    """Of the long lifetime, where one is sold."""
    opt_in: str | None = None
    """What a request must carry for the cache to be used at all; `caching: always` carries it."""
    isolation: Literal["organisation", "workspace"] | None = None
    """Whose requests share entries, where that is known; an option's traffic is one workspace's."""
    max_age_s: Positive | None = None
    machine_per_min: Positive | None = None
    marks: Count = 4
    end_mark: bool = True
    lookback: Count | None = None
    stored: bool = False


class Reading(Section):
    """What one source says of an endpoint's speed."""

    by: str
    """Who measured it, and by way of whom it was read."""
    on: date | None = None
    """Day of the measurement or of the page."""
    kind: Literal["measured", "published", "quoted"]
    """measured: method and counts are told; published: the provider's figure; quoted: a page that
    tells another's figure."""
    ttft_s: Positive | None = None
    output_tok_s: Positive | None = None
    prefill: str | None = None
    """TTFT over the prompt's length, as the source fits it."""


class Behaviour(Section):
    """Latency and speed of an endpoint as its client sees them."""

    ttft_median_s: Positive
    ttft_sigma: NonNegative
    prefill_token_s: NonNegative
    """Added to TTFT for each uncached prompt token."""
    prefill_token2_s: NonNegative = 0.0
    """The same for the square of the prompt's length, less that of its cached part: attention."""
    output_tok_s: Positive
    speed_sigma: NonNegative
    error_rate: Share = 0.0
    """Share of attempts that fail although the endpoint is up."""
    window_s: Positive | None = None
    """Work that takes longer expires, unpaid."""
    readings: list[Reading] = Field(default_factory=list)
    """Figures that others published; the values above are their medians where they stand alone."""


class RateLimit(Section):
    """A rate limit, as a bucket that refills continuously."""

    of: Literal["requests", "input_tok", "output_tok", "produced_tok", "tok"]
    """output_tok reserves the declared output and gives back the rest; produced_tok counts output
    as it is produced and turns calls away only while none is left; tok is input and declared
    output."""
    amount: Positive
    """How much in each period."""
    per: Literal["second", "minute", "hour", "day"] = "minute"
    """Length of the period."""
    burst_s: Positive | None = None
    """The bucket holds what refills in this time; default: the period."""


class SpendLimit(Section):
    """Money that may be spent in every period: give period_hours, or per: month."""

    usd: Positive
    """Most that is spent in a period."""
    period_hours: Positive | None = None
    """After which it begins anew, counted from 1970-01-01 00:00 UTC."""
    per: Literal["month"] | None = None
    """Calendar month, UTC."""
    rolling: bool = False
    """The last period_hours count at any moment, in the place of fixed periods."""

    @model_validator(mode="after")
    def _one_period(self) -> "SpendLimit":
        if (self.period_hours is None) == (self.per is None):
            raise ValueError("give either period_hours or per: month")
        if self.rolling and self.per is not None:
            raise ValueError("a calendar month does not roll: give period_hours")
        return self


class Tier(Section):
    """What an account may do."""

    limits: list[RateLimit] = Field(default_factory=list)
    concurrency: Count | None = None
    spend_limits: list[SpendLimit] = Field(default_factory=list)
    max_output_tok: Count | None = None
    source: str | None = None
    """Where its figures are from, and whether they are published or assumed."""


BoughtContext = Literal["batch", "flex", "priority", "ultrafast"]
"""How a call may be served beside standard."""
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class When(Section):
    """Conditions of a rate row, all of which must be true."""

    prompt_tokens_above: Count | None = None
    prompt_tokens_from: Count | None = None
    from_time: date | datetime | None = None
    """UTC day or moment."""
    until_time: date | datetime | None = None
    context: Literal["standard", "batch", "flex", "priority", "ultrafast"] | None = None
    thinking: bool | None = None
    content: Literal["prose", "code"] | None = None
    cached_share_from: Share | None = None
    utc_window_s: tuple[NonNegative, NonNegative] | None = None
    utc_days: list[Day] | None = None
    not_on: Literal["china"] | None = None
    """Calendar of holidays on which it does not hold."""
    replaces: bool = False
    """Stands in the place of all rows before it."""
    computed: bool = False
    """Nobody published it: a known share of what another row says."""


class Row(Section):
    """Rates that hold under conditions; later rows win for the buckets that they name."""

    when: When
    rates: dict[str, NonNegative]


class Peak(Section):
    """When the snapshot's windows by the time of day hold."""

    from_time: date | datetime | None = None
    """Before, they did not."""
    utc_days: list[Day]
    not_on: Literal["china"]
    """Calendar of the holidays on which they do not."""


class Facts(Section):
    """What is known of an offer's dates and sizes beside its prices."""

    since: date | datetime | None = None
    """First day or moment on which it was sold."""
    ends: date | datetime | None = None
    """First day or moment on which it is not sold any more."""
    at_least_until: date | None = None
    """Day until which the provider promised to sell it."""
    price_at_least_until: date | None = None
    """Day until which the provider promised its price."""
    announced: date | None = None
    """Day on which the provider told the end."""
    checked: date | None = None
    """Day on which these were looked up, where it is not the file's."""
    deprecated: bool = False
    """Its provider or a feed calls it deprecated, without a day."""
    successor: str | None = None
    """What the provider names in its place."""
    max_input_tok: Count | None = None
    """Longest prompt that the API takes, where that is less than the context window."""
    source: str | None = None
    """Where it is not the file's."""


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
    long_write_multiple: Positive | None = None
    """Price of a write for the long lifetime over that of input, where the snapshot has none."""
    context_tok: Count | None = None
    max_input_tok: Count | None = None
    """Of an imported entry; the book's own stand among its facts."""
    facts: Facts | None = None
    """Of an imported entry."""
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
    contexts: dict[BoughtContext, Behaviour] = Field(default_factory=dict)
    """How the endpoint behaves when served otherwise."""
    source: str


class Start(Section):
    """When a provider began to serve a context."""

    from_time: date | datetime
    source: str


class FactsFile(Section):
    """All such facts, and the source of those that name none."""

    source: str
    checked: date
    starts: dict[str, dict[BoughtContext, Start]]
    """By provider and context."""
    offers: dict[str, Facts]
