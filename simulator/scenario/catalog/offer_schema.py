"""The schema of the price overlay. The text under a field is its description in the JSON schema."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field, model_validator

from simulator.pricing.caching import Rule
from simulator.scenario.document.base_section import Count, NonNegative, Positive, Section, Share


class CacheRule(Section):
    """The prompt cache of a provider; see ``pricing.caching.PromptCache``."""

    rule: Rule
    """Rule by which prompts are found in the cache."""
    min_tok: Annotated[int, Field(ge=0)] = 0
    """Shortest prefix in tokens that is cached."""
    step_tok: Count = 1
    """Tokens by which the cached prefix grows."""
    ttl_s: NonNegative = 0
    """Lifetime in seconds since the last use."""
    long_ttl_s: Positive | None = None
    """Long lifetime in seconds, if the provider sells one."""
    opt_in: str | None = None
    """Parameter that a request must contain for the cache to be used at all; `caching: always`
    includes it."""
    isolation: Literal["organisation", "workspace"] | None = None
    """Scope in which requests share entries, if known; the traffic of an option is one
    workspace."""
    max_age_s: Positive | None = None
    """Lifetime in seconds since an entry was written, however often it is used. Default: no
    limit."""
    machine_per_min: Positive | None = None
    """Requests per minute with the same prefix that one machine serves; more go to further
    machines, each with its own cache. Default: no limit."""
    marks: Count = 4
    """Most breakpoints of one request."""
    end_mark: bool = True
    """Whether the end of the prompt is marked, and not only prefixes that prompts share."""
    lookback: Count | None = None
    """Earlier turns before the end of the prompt that are searched for an entry. Default: all."""
    stored: bool = False
    """Whether the lifetime of entries is paid for by token and hour."""


class Reading(Section):
    """One source's figures of an endpoint's speed."""

    by: str
    """Author of the measurement, and the page on which it was read."""
    on: date | None = None
    """Day of the measurement or of the page."""
    kind: Literal["measured", "published", "quoted"]
    """Kind of figure. `measured`: method and counts are known; `published`: the provider's own
    figure; `quoted`: a page that repeats another's figure."""
    ttft_s: Positive | None = None
    """Time to the first token in seconds."""
    output_tok_s: Positive | None = None
    """Output tokens per second of one stream."""
    prefill: str | None = None
    """Time to the first token as a function of the prompt's length, as fitted by the source."""


class Behaviour(Section):
    """Latency and speed of an endpoint as its client sees them."""

    ttft_median_s: Positive
    """Median time to the first token in seconds, without the time per prompt token."""
    ttft_sigma: NonNegative
    """Standard deviation of the logarithm of the time to the first token."""
    prefill_token_s: NonNegative
    """Seconds that each uncached prompt token adds to the time to the first token."""
    prefill_token2_s: NonNegative = 0.0
    """Seconds added for the square of the prompt's tokens, less that of its cached part
    (attention)."""
    output_tok_s: Positive
    """Median output tokens per second of one stream."""
    speed_sigma: NonNegative
    """Standard deviation of the logarithm of the speed."""
    error_rate: Share = 0.0
    """Share of attempts that fail although the endpoint is available."""
    window_s: Positive | None = None
    """Seconds after which batch work expires, unpaid. Default: never."""
    readings: list[Reading] = Field(default_factory=list)
    """Figures published by others; the values above are their medians where there is no other
    source."""


class RateLimit(Section):
    """A rate limit, as a bucket that refills continuously."""

    of: Literal["requests", "input_tok", "output_tok", "produced_tok", "tok"]
    """Quantity that is limited. `output_tok` reserves the declared output and returns what was not
    used; `produced_tok` counts output as it is produced, and rejects calls only while nothing is
    left; `tok` counts input and declared output."""
    amount: Positive
    """Amount allowed in each period."""
    per: Literal["second", "minute", "hour", "day"] = "minute"
    """Length of the period."""
    burst_s: Positive | None = None
    """Seconds of refill that the bucket can hold. Default: one period."""


class SpendLimit(Section):
    """A spend limit: the most that may be spent in a period, of `period_hours` or `per: month`."""

    usd: Positive
    """Most that may be spent in one period."""
    period_hours: Positive | None = None
    """Length of a period in hours; periods are counted from 1970-01-01 00:00 UTC."""
    per: Literal["month"] | None = None
    """Calendar month (UTC) as the period."""
    rolling: bool = False
    """Whether the last `period_hours` count at any moment, instead of fixed periods."""

    @model_validator(mode="after")
    def _check_period(self) -> "SpendLimit":
        if (self.period_hours is None) == (self.per is None):
            raise ValueError("give either period_hours or per: month")
        if self.rolling and self.per is not None:
            raise ValueError("a calendar month does not roll: give period_hours")
        return self


class Tier(Section):
    """The limits of an account tier."""

    limits: list[RateLimit] = Field(default_factory=list)
    """Rate limits of the account."""
    concurrency: Count | None = None
    """Requests that the account may have in flight. Default: any number."""
    spend_limits: list[SpendLimit] = Field(default_factory=list)
    """Spend limits of the account."""
    max_output_tok: Count | None = None
    """Longest output in tokens. Default: the offer's."""
    source: str | None = None
    """Source of the figures, and whether they are published or assumed."""


BoughtContext = Literal["batch", "flex", "priority", "ultrafast"]
"""Contexts other than standard in which a call may be served."""
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class When(Section):
    """Conditions of a rate row, all of which must be true."""

    prompt_tokens_above: Count | None = None
    """Prompt length in tokens, cached ones included, that must be exceeded."""
    prompt_tokens_from: Count | None = None
    """Prompt length in tokens, cached ones included, that must be reached."""
    from_time: date | datetime | None = None
    """First UTC day or moment on which the row holds."""
    until_time: date | datetime | None = None
    """First UTC day or moment on which the row no longer holds."""
    context: Literal["standard", "batch", "flex", "priority", "ultrafast"] | None = None
    """Context in which the call is served."""
    thinking: bool | None = None
    """Whether the call has reasoning tokens."""
    content: Literal["prose", "code"] | None = None
    """Kind of output of the call."""
    cached_share_from: Share | None = None
    """Share of the prompt that must have been read from a cache."""
    utc_window_s: tuple[NonNegative, NonNegative] | None = None
    """Start and end of the part of the UTC day, in seconds; it may wrap over midnight."""
    utc_days: list[Day] | None = None
    """Days of the week (UTC)."""
    not_on: Literal["china"] | None = None
    """Calendar of public holidays on which the row does not hold."""
    replaces: bool = False
    """Whether the row replaces all rows before it; otherwise it changes only the rates it names."""
    computed: bool = False
    """Whether the rates are not published, but computed as a known share of another row's."""


class Row(Section):
    """Rates that hold under conditions; later rows take precedence for the rates that they name."""

    when: When
    rates: dict[str, NonNegative]
    """Rates by bucket, in USD per million tokens or per call."""


class Peak(Section):
    """Days on which the snapshot's prices by time of day hold."""

    from_time: date | datetime | None = None
    """First day or moment on which these prices hold. Default: always."""
    utc_days: list[Day]
    """Days of the week (UTC) on which these prices hold."""
    not_on: Literal["china"]
    """Calendar of public holidays on which these prices do not hold."""


class Facts(Section):
    """Known dates and sizes of an offer, in addition to its prices."""

    since: date | datetime | None = None
    """First day or moment on which the offer was sold."""
    ends: date | datetime | None = None
    """First day or moment on which the offer is no longer sold."""
    at_least_until: date | None = None
    """Day until which the provider promised to sell the offer."""
    price_at_least_until: date | None = None
    """Day until which the provider promised the price."""
    announced: date | None = None
    """Day on which the provider announced the end of the offer."""
    checked: date | None = None
    """Day on which these facts were looked up. Default: the day of the whole file."""
    deprecated: bool = False
    """Whether the provider or a feed calls the offer deprecated, without a date."""
    successor: str | None = None
    """Successor that the provider names."""
    max_input_tok: Count | None = None
    """Longest prompt in tokens that the API accepts, if less than the context window."""
    source: str | None = None
    """Source of these facts. Default: the source of the whole file."""


class Offer(Section):
    """One entry of the overlay."""

    as_of: date | None = None
    """Day on which the rates were read. Default: the day of the snapshot."""
    rates: dict[str, NonNegative] = Field(default_factory=dict)
    """Rates by bucket in USD per million tokens or per call, which follow the snapshot's rows if
    it has the offer."""
    rows: list[Row] = Field(default_factory=list)
    """Rates that hold under conditions."""
    peak: Peak | None = None
    billed_at: Literal["start", "completion"] = "start"
    """Moment of a call that determines its rates."""
    regions: dict[str, Positive] = Field(default_factory=dict)
    """Factor on every rate, by region in which calls must be processed."""
    long_write_multiple: Positive | None = None
    """Price of a cache write for the long lifetime over the price of input, if the snapshot has no
    such price."""
    context_tok: Count | None = None
    """Context window in tokens: prompt and output together."""
    max_input_tok: Count | None = None
    """Longest prompt in tokens, for imported entries; the book's own are among its facts."""
    facts: Facts | None = None
    """Dates and sizes of an imported entry."""
    max_output_tok: Count | None = None
    """Longest output in tokens."""
    refuses_long_outputs: bool = False
    """Whether a declared output above the longest is an error; otherwise the output is cut."""
    cache: CacheRule | None = None
    cached_counts: bool = True
    """Whether cached prompt tokens count towards rate limits."""
    tiers: dict[str, Tier] = Field(default_factory=dict)
    """Account tiers by name, with their limits."""
    availability: Share | None = None
    """Share of time in which the provider is available."""
    endpoint: Behaviour | None = None
    """Behaviour of the endpoint. Without it, the offer has prices but cannot be simulated."""
    contexts: dict[BoughtContext, Behaviour] = Field(default_factory=dict)
    """Behaviour of the endpoint in contexts other than standard."""
    source: str
    """Source of every figure, and whether it is published, measured or assumed."""


class Start(Section):
    """The day on which a provider began to serve a context."""

    from_time: date | datetime
    """First day or moment on which the context was served."""
    source: str
    """Source of the date."""


class FactsFile(Section):
    """All facts of offers, with the source of those that name none."""

    source: str
    """Source of the facts that name none."""
    checked: date
    """Day on which facts without their own day were looked up."""
    starts: dict[str, dict[BoughtContext, Start]]
    """First days of contexts, by provider and context."""
    offers: dict[str, Facts]
    """Facts of offers, by name."""
