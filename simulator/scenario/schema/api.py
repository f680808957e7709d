"""What a scenario may say of bought tokens: offers, and gateways before several of them.

Defaults of gateways are those of their documentation and sources in November 2026; what is no
documented default is said to be assumed.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from simulator.scenario.catalog.offer_schema import RateLimit, SpendLimit
from simulator.scenario.document.base_section import Count, NonNegative, Positive, Section, Share
from simulator.scenario.schema.composites import Retrieve, SplitPrompts

Context = Literal["standard", "batch", "flex", "priority", "ultrafast"]


class Outage(Section):
    """A time in which every attempt fails."""

    from_time: datetime
    """UTC."""
    minutes: Positive
    """How long it lasts."""


class Spike(Section):
    """A time in which prices are others than the book's."""

    from_time: datetime
    """UTC."""
    hours: Positive
    """How long it lasts."""
    multiplier: Positive
    """On every rate."""


class Dedicated(Section):
    """Capacity that a provider sets aside, by its quote."""

    usd_per_month: Positive
    """What the provider quoted: there is no public price."""
    concurrency: Count
    """Streams that it carries at once."""
    queue: Annotated[int, Field(ge=0)] = 1000
    """Requests that wait for a stream."""
    tokens_free: bool = True
    """The quote covers tokens; else they are billed as well."""


class Api(Section):
    """Buy tokens from one offer."""

    kind: Literal["api"]
    offer: str
    """``provider/model`` of the price book."""
    region: str | None = None
    """Where calls must stay; decides on the provider's uplift."""
    price_multiplier: Positive = 1.0
    """On every rate, for negotiated prices and what-ifs."""
    cache_read_share: Share | None = None
    """Price of cached prompt tokens over that of fresh ones, in the place of the book's: 0.1 is a
    discount of 90 %. For what-ifs."""
    served_as: Context | dict[str, Context] = "standard"
    """For all workloads, or by workload; those not named are served as standard."""
    caching: Literal["always", "auto", "never"] = "always"
    """Of prompts, where the provider does; auto marks breakpoints only while they pay."""
    cache_lifetime: Literal["short", "long"] = "short"
    """Where the provider offers two."""
    thinking_budget_tokens: Count | None = None
    """Reasoning stops there."""
    tier: str | None = None
    """Account tier of the offer, which decides on its limits; default: no limits."""
    limits: list[RateLimit] = Field(default_factory=list)
    """In the place of the tier's."""
    concurrency: Count | None = None
    """Requests that the account may have in flight; default: any number."""
    spend_limit: SpendLimit | None = None
    retries: Annotated[int, Field(ge=0)] = 2
    """Of the client, as OpenAI's and Anthropic's Python clients do by default."""
    outages: Literal["none", "typical"] | list[Outage] = "none"
    """Typical: drawn to the provider's measured availability."""
    price_spikes: list[Spike] = Field(default_factory=list)
    """Times in which prices are others than the book's."""
    dedicated: Dedicated | None = None
    success_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of answers that are right; needed for cost per correct answer."""
    evaluated_as: str | None = None
    """Model of quality.evaluations, whose success rate is taken."""
    output_factor: Positive = 1.0
    """Output tokens of this model over those that the traffic tells."""
    split_prompts: SplitPrompts | None = None
    retrieve: Retrieve | None = None


class MaxPrice(Section):
    """Ceilings above which an endpoint is not used [USD per Mtok]."""

    prompt: Positive | None = None
    """Of prompt tokens."""
    completion: Positive | None = None
    """Of output tokens."""


class OpenRouter(Section):
    """OpenRouter: price-weighted choice among endpoints, the rest are fallbacks."""

    name: Literal["openrouter"]
    weighting: Literal["adjusted", "legacy"] = "adjusted"
    """legacy: the inverse square of the price, as documented until 2026. adjusted: an approximation
    of today's rule, whose formula is not published: the inverse square of what a token really cost
    there, by the share of attempts that succeed, and two in a hundred anywhere. Today's rule also
    weighs throughput, latency and rate limits, which the approximation leaves out: it sends too
    much to slow hosts that are cheap."""
    order: list[str] = Field(default_factory=list)
    """Targets to try first, in this order; turns weighting and stickiness off."""
    allow_fallbacks: bool = True
    """Try others when the chosen one fails."""
    sort: Literal["price", "throughput", "latency"] | None = None
    """Try strictly in this order instead of weighting."""
    max_price: MaxPrice = MaxPrice()
    preferred_min_throughput: Positive | None = None
    """Tokens per second (p50); slower targets come last."""
    preferred_max_latency: Positive | None = None
    """Seconds to the first token (p50); slower targets come last."""
    own_keys: bool = False
    """Calls are paid to the providers by keys of your own, OpenRouter's fee is apart."""
    fee_share: Share | None = None
    """Default: 0.055 on credits bought by card (a purchase below 15 USD pays 0.80 USD at least),
    and with own_keys 0.05 of what the calls beyond a million a month cost."""


class Affinity(Section):
    """Keep a session at the deployment that served it last."""

    ttl_s: Positive = 3600
    """How long a session is remembered."""


class LiteLlm(Section):
    """LiteLLM's router: a group of deployments, then fallbacks."""

    name: Literal["litellm"]
    strategy: Literal[
        "simple-shuffle", "least-busy", "usage-based-routing-v2", "latency-based-routing",
        "cost-based-routing",
    ] = "simple-shuffle"  # fmt: skip
    """How a deployment of the group is chosen."""
    weights: dict[str, NonNegative] = Field(default_factory=dict)
    """By target, of simple-shuffle; default: all alike."""
    num_retries: Annotated[int, Field(ge=0)] = 2
    """Within the group."""
    cooldown_s: NonNegative = 5
    """How long a failing deployment is left out."""
    allowed_fails: Annotated[int, Field(ge=0)] | None = None
    """Per minute; default: more than half of at least five attempts."""
    fallbacks: list[str] = Field(default_factory=list)
    """Targets behind the group, tried in this order."""
    max_fallbacks: Annotated[int, Field(ge=0)] = 5
    """Targets behind the group that are tried at most."""
    lowest_latency_buffer: NonNegative = 0
    """Share above the lowest latency within which deployments are alike."""
    affinity: Affinity | None = None
    budgets: dict[str, SpendLimit] = Field(default_factory=dict)
    """By target; one that is over budget is left out until its period ends."""


class Breaker(Section):
    """Portkey's circuit breaker."""

    failure_threshold: Count | None = None
    """More failures than this within a minute, and a target is left out."""
    failure_threshold_percentage: Annotated[float, Field(gt=0, le=100)] | None = None
    """A larger share of failures [%] within a minute, and it is left out."""
    minimum_requests: Count = 1
    """Attempts within the minute before the share counts."""
    cooldown_s: Annotated[float, Field(ge=30)] = 30
    """How long it is left out."""


class Portkey(Section):
    """Portkey's gateway."""

    name: Literal["portkey"]
    mode: Literal["fallback", "loadbalance", "conditional"] = "fallback"
    """How a target is chosen."""
    weights: dict[str, NonNegative] = Field(default_factory=dict)
    """By target, of loadbalance; default 1."""
    conditions: dict[str, str] = Field(default_factory=dict)
    """Target by workload, of conditional; the first target is the default."""
    retries: Annotated[int, Field(ge=0, le=5)] = 0
    """Of one target."""
    use_retry_after_headers: bool = False
    """Wait for as long as an endpoint asks, up to 60 s; it is off by default."""
    breaker: Breaker | None = None
    budget: SpendLimit | None = None
    """Above it, requests are refused."""


class TokenMix(Section):
    """TokenMix.ai: a discount on list prices and failover; its rules are not documented."""

    name: Literal["tokenmix"]
    price_multiplier: Positive = 0.95
    """It claims 3 to 8 % below list."""


class Gateway(Section):
    """Reach several offers through a gateway."""

    kind: Literal["gateway"]
    policy: Annotated[OpenRouter | LiteLlm | Portkey | TokenMix, Field(discriminator="name")]
    targets: Annotated[list[str], Field(min_length=1)]
    """Names of api options."""
    success_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of answers that are right; needed for cost per correct answer."""
    evaluated_as: str | None = None
    """Model of quality.evaluations, whose success rate is taken."""
