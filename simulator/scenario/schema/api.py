"""Sections of bought tokens: offers of providers, and gateways to several offers.

Defaults of gateways are those of their documentation and source code in November 2026. A default
that is not documented is marked as assumed.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from simulator.scenario.catalog.offer_schema import RateLimit, SpendLimit
from simulator.scenario.document.base_section import Count, NonNegative, Positive, Section, Share
from simulator.scenario.schema.composites import Retrieve, SplitPrompts

Context = Literal["standard", "batch", "flex", "priority", "ultrafast"]


class Outage(Section):
    """An outage: a period in which every attempt fails."""

    from_time: datetime
    """Start of the outage (UTC)."""
    minutes: Positive
    """Length of the outage in minutes."""


class Spike(Section):
    """A period in which prices differ from those of the price book."""

    from_time: datetime
    """Start of the period (UTC)."""
    hours: Positive
    """Length of the period in hours."""
    multiplier: Positive
    """Factor on every rate during the period."""


class Dedicated(Section):
    """Capacity that a provider reserves for the account, as quoted."""

    usd_per_month: Positive
    """Monthly price that the provider quoted; there is no public price."""
    concurrency: Count
    """Requests that the reserved capacity serves at once."""
    queue: Annotated[int, Field(ge=0)] = 1000
    """Requests that may wait for capacity; further ones are rejected."""
    tokens_free: bool = True
    """Whether the quote covers tokens; otherwise they are billed in addition."""


class Api(Section):
    """Buy tokens from one offer of a provider."""

    kind: Literal["api"]
    offer: str
    """Name of the offer in the price book, as ``provider/model``."""
    behaves_like: str | None = None
    """Offer whose speed, cache rule and limits are assumed for this one, if the price book has its
    prices and not its behaviour. Default: the offer's own behaviour."""
    compared: bool = True
    """Whether the option is an answer of its own; false if it is only a target of a gateway."""
    region: str | None = None
    """Region in which calls must be processed; it determines the provider's surcharge. Default: no
    restriction."""
    price_multiplier: Positive = 1.0
    """Factor on every rate, for negotiated prices and what-if questions."""
    cache_read_share: Share | None = None
    """Price of cached prompt tokens as a share of the price of uncached ones, for what-if
    questions: 0.1 is a discount of 90 %. Default: the price book's."""
    served_as: Context | dict[str, Context] = "standard"
    """Context in which all calls are served, or that of each workload by name; workloads that are
    not named are served as standard."""
    caching: Literal["always", "auto", "never"] = "always"
    """Use of the provider's prompt cache, where there is one. `auto` marks breakpoints only while
    they save money."""
    cache_lifetime: Literal["short", "long"] = "short"
    """Lifetime of cached prompts, where the provider sells two."""
    thinking_budget_tokens: Count | None = None
    """Most reasoning tokens of one answer. Default: no limit."""
    tier: str | None = None
    """Account tier of the offer, which determines its limits. Default: no limits."""
    limits: list[RateLimit] = Field(default_factory=list)
    """Rate limits that replace those of the tier."""
    concurrency: Count | None = None
    """Requests that the account may have in flight. Default: any number."""
    spend_limit: SpendLimit | None = None
    retries: Annotated[int, Field(ge=0)] = 2
    """Retries of the client after a failed attempt; 2 is the default of OpenAI's and Anthropic's
    Python clients."""
    outages: Literal["none", "typical"] | list[Outage] = "none"
    """Outages of the provider: none, a list, or `typical`, which draws them at random to match the
    provider's measured availability."""
    price_spikes: list[Spike] = Field(default_factory=list)
    """Periods in which prices differ from those of the price book."""
    dedicated: Dedicated | None = None
    success_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of answers that are right; needed for the cost per correct answer."""
    evaluated_as: str | None = None
    """Name of this model in `quality.evaluations`; its success rate is used."""
    output_factor: Positive = 1.0
    """Output tokens of this model relative to those of the traffic."""
    split_prompts: SplitPrompts | None = None
    retrieve: Retrieve | None = None


class MaxPrice(Section):
    """Highest prices at which an endpoint is still used [USD per million tokens]."""

    prompt: Positive | None = None
    """Highest price of prompt tokens [USD per million]. Default: no ceiling."""
    completion: Positive | None = None
    """Highest price of output tokens [USD per million]. Default: no ceiling."""


class OpenRouter(Section):
    """OpenRouter: a price-weighted choice among endpoints, with the others as fallbacks."""

    name: Literal["openrouter"]
    weighting: Literal["adjusted", "legacy"] = "adjusted"
    """Rule of the weighted choice. `legacy` uses the inverse square of the price, as documented
    until 2026. `adjusted` approximates today's rule, whose formula is not published: the inverse
    square of the actual cost per token, divided by the share of attempts that succeed, with 2 % of
    requests sent to any endpoint. Today's rule also considers throughput, latency and rate
    limits; without them, the approximation sends too much to cheap but slow hosts."""
    order: list[str] = Field(default_factory=list)
    """Targets to try first, in this order. Any entry disables weighting and sticky sessions."""
    allow_fallbacks: bool = True
    """Whether other targets are tried when the chosen one fails."""
    sort: Literal["price", "throughput", "latency"] | None = None
    """Strict order in which targets are tried. Default: weighted choice."""
    max_price: MaxPrice = MaxPrice()
    preferred_min_throughput: Positive | None = None
    """Output tokens per second (median) below which a target is tried last."""
    preferred_max_latency: Positive | None = None
    """Seconds to the first token (median) above which a target is tried last."""
    own_keys: bool = False
    """Whether calls use your own provider keys: the providers bill them, and OpenRouter its fee."""
    fee_share: Share | None = None
    """OpenRouter's fee as a share of the price. Default: 0.055 on credits bought by card (at least
    0.80 USD on a purchase below 15 USD); with `own_keys`, 0.05 of the cost of calls beyond a
    million per month."""


class Affinity(Section):
    """Session affinity: a session stays with the deployment that served it last."""

    ttl_s: Positive = 3600
    """Seconds for which a session is remembered."""


class LiteLlm(Section):
    """LiteLLM's router: a group of deployments, followed by fallbacks."""

    name: Literal["litellm"]
    strategy: Literal[
        "simple-shuffle", "least-busy", "usage-based-routing-v2", "latency-based-routing",
        "cost-based-routing",
    ] = "simple-shuffle"  # fmt: skip
    """Routing strategy by which a deployment of the group is chosen."""
    weights: dict[str, NonNegative] = Field(default_factory=dict)
    """Weight of each target under `simple-shuffle`. Default: equal weights; if any target is named,
    the others have weight 0."""
    num_retries: Annotated[int, Field(ge=0)] = 2
    """Most retries within the group."""
    cooldown_s: NonNegative = 5
    """Seconds for which a failing deployment receives no requests."""
    allowed_fails: Annotated[int, Field(ge=0)] | None = None
    """Failures allowed per minute; one more, and the deployment cools down. Default: it cools down
    when more than half of at least five attempts in a minute fail."""
    fallbacks: list[str] = Field(default_factory=list)
    """Targets that are tried after the group, in this order."""
    max_fallbacks: Annotated[int, Field(ge=0)] = 5
    """Most fallbacks that are tried for one request."""
    lowest_latency_buffer: NonNegative = 0
    """Margin above the lowest latency, as a share of it, within which deployments count as equally
    fast."""
    affinity: Affinity | None = None
    budgets: dict[str, SpendLimit] = Field(default_factory=dict)
    """Budget of each target; a target over its budget receives no requests until the period
    ends."""


class Breaker(Section):
    """Portkey's circuit breaker."""

    failure_threshold: Count | None = None
    """Failures allowed within a minute; one more, and the target receives no requests."""
    failure_threshold_percentage: Annotated[float, Field(gt=0, le=100)] | None = None
    """Percentage of attempts that may fail within a minute; above it, the target receives no
    requests."""
    minimum_requests: Count = 1
    """Attempts needed within the minute before the percentage is applied."""
    cooldown_s: Annotated[float, Field(ge=30)] = 30
    """Seconds for which the target receives no requests, at least 30."""


class Portkey(Section):
    """Portkey's gateway."""

    name: Literal["portkey"]
    mode: Literal["fallback", "loadbalance", "conditional"] = "fallback"
    """Way in which a target is chosen."""
    weights: dict[str, NonNegative] = Field(default_factory=dict)
    """Weight of each target under `loadbalance`. Default: equal weights; if any target is named,
    the others have weight 0."""
    conditions: dict[str, str] = Field(default_factory=dict)
    """Target of each workload under `conditional`; other workloads use the first target."""
    retries: Annotated[int, Field(ge=0, le=5)] = 0
    """Retries of a target before the next one is tried, at most 5."""
    use_retry_after_headers: bool = False
    """Whether to wait as long as an endpoint's Retry-After header requests, at most 60 s; off by
    default, as in Portkey."""
    breaker: Breaker | None = None
    budget: SpendLimit | None = None
    """Budget of the whole gateway; once it is spent, requests are rejected until the period
    ends."""


class TokenMix(Section):
    """TokenMix.ai: a discount on list prices, and failover; its rules are not documented."""

    name: Literal["tokenmix"]
    price_multiplier: Positive = 0.95
    """Factor on list prices; TokenMix claims to be 3 to 8 % cheaper."""


class Gateway(Section):
    """Reach several offers through one gateway."""

    kind: Literal["gateway"]
    policy: Annotated[OpenRouter | LiteLlm | Portkey | TokenMix, Field(discriminator="name")]
    targets: Annotated[list[str], Field(min_length=1)]
    """Names of the `api` options among which the gateway chooses."""
    success_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of answers that are right; needed for the cost per correct answer."""
    evaluated_as: str | None = None
    """Name of this model in `quality.evaluations`; its success rate is used."""
