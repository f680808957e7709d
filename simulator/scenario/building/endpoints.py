"""Build the endpoints of an offer, from a scenario's section and the price book."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Literal

from simulator.analysis.study.options import ApiOption
from simulator.engine.spec.plan import Budget, Endpoint, Gateway, Limit, Target
from simulator.errors import Faults, InputError, nearest
from simulator.pricing.caching import NO_CACHE, PromptCache
from simulator.pricing.outages import draw_outages
from simulator.pricing.rates import RateCard
from simulator.pricing.rows import CONTENTS, CONTEXTS, RateRow, unix_s
from simulator.pricing.schedule import PRICED, schedule
from simulator.rng import stream
from simulator.scenario.building.transforms import reshaping
from simulator.scenario.catalog.offer_schema import Behaviour, Offer, RateLimit, SpendLimit, Tier
from simulator.scenario.catalog.price_book import PriceBook
from simulator.scenario.document.document import Document
from simulator.scenario.schema.api import Api
from simulator.units import DAY_S, HOUR_S, MINUTE_S, MONTH_S

_LEAST_MONTH_S = 28 * DAY_S
_FOREVER_S = 1e12
_PERIOD_S = {"second": 1.0, "minute": MINUTE_S, "hour": HOUR_S, "day": DAY_S}

BATCH = Behaviour(
    ttft_median_s=420.0,
    ttft_sigma=1.676,
    prefill_token_s=0.0,
    output_tok_s=1e6,
    speed_sigma=0.0,
    window_s=DAY_S,
)
"""Behaviour in the batch context of offers without their own: median 7 min, 90 % within an hour, at
most a day (230,000 batches of OpenRouter's batch API, 2026; measured)."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The simulated span in Unix seconds, and the seed of its random outages."""

    begin_s: float
    end_s: float
    seed: int


def api_option(
    name: str,
    option: Api,
    book: PriceBook,
    clock: Clock,
    contents: dict[str, str],
    document: Document,
) -> ApiOption:
    """Build the option of one offer.

    Parameters
    ----------
    name : str
        Name of the option.
    option : Api
        Section of the scenario.
    book : PriceBook
        Prices and behaviour of offers.
    clock : Clock
        The simulated span.
    contents : dict of str to str
        Kind of output of each workload, in the order of the traffic.
    document : Document
        The document that has the section.

    Raises
    ------
    InputError
        With a line for every value that cannot be used: the offer, a region, context or tier that
        it does not have.
    """
    here = ("options", name)
    offer = document.made((*here, "offer"), lambda: book.simulated(option.offer))
    faults = Faults()
    with faults.collected():
        card = document.made((*here, "region"), lambda: _card(option, book))
        served = document.made(
            (*here, "served_as"), lambda: _served_as(option, list(contents), card)
        )
    for key, check in _CHECKS.items():
        with faults.collected():
            document.made((*here, key), partial(check, option, offer))
    faults.check()
    priced = any(row.content is not None for row in card.rows)
    kinds = [
        (served[workload], CONTENTS.index(content) if priced else 0)
        for workload, content in contents.items()
    ]
    endpoints = {
        kind: document.made(
            (*here, "served_as"),
            partial(_endpoint, option, offer, card, clock, CONTEXTS[kind[0]], kind[1]),
        )
        for kind in sorted(set(kinds))
    }
    indices = {kind: index for index, kind in enumerate(endpoints)}
    return ApiOption(
        name=name,
        endpoints=tuple(endpoints.values()),
        gateways=tuple(_client(index, option.retries) for index in indices.values()),
        routes=tuple(indices[kind] for kind in kinds),
        fee_share=0.0,
        fixed_usd_per_month=option.dedicated.usd_per_month if option.dedicated else 0.0,
        success_rate=option.success_rate,
        reshaping=reshaping(option),
    )


def _client(endpoint: int, retries: int) -> Gateway:
    """Return a client of one endpoint that repeats failed attempts.

    Pauses are those of OpenAI's and Anthropic's Python clients: 0.5 s doubling up to 8 s, at random
    up to a quarter less, or the endpoint's Retry-After up to a minute (read in openai-python).
    """
    return Gateway((Target(endpoint),), attempts=retries + 1)


def _card(option: Api, book: PriceBook) -> RateCard:
    """Return the offer's rate card with the option's changes of prices."""
    card = book.card(option.offer, option.region)
    if option.price_multiplier != 1.0:
        card = card.scaled(option.price_multiplier)
    if option.cache_read_share is not None:
        card = card.with_cache_reads(option.cache_read_share)
    for spike in option.price_spikes:
        until = spike.from_time + timedelta(hours=spike.hours)
        card = card.spiked(spike.multiplier, spike.from_time, until)
    if option.dedicated and option.dedicated.tokens_free:
        free = {"input": 0.0, "output": 0.0}
        card = replace(card, rows=(RateRow(free),))
    return card


def _served_as(option: Api, workloads: list[str], card: RateCard) -> dict[str, int]:
    """Return the context of every workload, as an index into ``CONTEXTS``."""
    faults = Faults()
    served_as = option.served_as
    by_workload = served_as if isinstance(served_as, dict) else dict.fromkeys(workloads, served_as)
    for workload, context in by_workload.items():
        if workload not in workloads:
            problem = f"no workload is called {workload!r}{nearest(workload, workloads)}"
            faults.add(InputError(problem))
        if context not in card.contexts:
            known = ", ".join(card.contexts)
            problem = f"{card.offer} has no {context} price; its contexts: {known}"
            faults.add(InputError(problem))
    faults.check()
    return {w: CONTEXTS.index(by_workload.get(w, "standard")) for w in workloads}


def _endpoint(
    option: Api, offer: Offer, card: RateCard, clock: Clock, context: str, content: int
) -> Endpoint:
    if offer.cache is None or offer.context_tok is None or offer.max_output_tok is None:
        raise InputError(f"{option.offer}: an endpoint needs cache, context_tok, max_output_tok")
    behaviour = _behaviour(offer, option.offer, context)
    tier = _tier(option, offer)
    dedicated = option.dedicated
    spend_limits = [option.spend_limit] if option.spend_limit else tier.spend_limits
    endpoint = Endpoint(
        name=option.offer if context == "standard" else f"{option.offer} ({context})",
        card=card,
        ttft_median_s=behaviour.ttft_median_s,
        ttft_sigma=behaviour.ttft_sigma,
        prefill_token_s=behaviour.prefill_token_s,
        prefill_token2_s=behaviour.prefill_token2_s,
        max_input_tok=card.max_input_tok,
        output_tok_s=behaviour.output_tok_s,
        speed_sigma=behaviour.speed_sigma,
        context_tok=min(offer.context_tok, card.context_tok or offer.context_tok),
        max_output_tok=tier.max_output_tok or offer.max_output_tok,
        cache=_cache(option, offer),
        context=CONTEXTS.index(context),
        content=content,
        thinking_budget_tok=option.thinking_budget_tokens,
        refuses_long_outputs=offer.refuses_long_outputs,
        limits=tuple(_rate_limit(limit) for limit in option.limits or tier.limits),
        cached_counts=offer.cached_counts,
        concurrency=dedicated.concurrency if dedicated else option.concurrency or tier.concurrency,
        queue=dedicated.queue if dedicated else 0,
        budgets=tuple(budget(limit, clock.end_s - clock.begin_s) for limit in spend_limits),
        error_rate=behaviour.error_rate,
        outages_s=_outages(option, offer, clock),
        window_s=behaviour.window_s or math.inf,
    )
    if option.caching != "auto":
        return endpoint
    return replace(endpoint, cache_pays_from=_pays_from(endpoint, clock))


def _behaviour(offer: Offer, name: str, context: str) -> Behaviour:
    if context == "standard":
        assert offer.endpoint is not None
        return offer.endpoint
    behaviour = next((b for c, b in offer.contexts.items() if c == context), None)
    if behaviour is None and context != "batch":
        raise InputError(f"{name}: its behaviour when served as {context} is not known")
    return behaviour or BATCH


def _cache(option: Api, offer: Offer) -> PromptCache:
    rule = offer.cache
    assert rule is not None
    if option.caching == "never" or rule.rule == "none":
        return NO_CACHE
    long = option.cache_lifetime == "long"
    fields = rule.model_dump(exclude={"long_ttl_s", "opt_in", "isolation"}, exclude_none=True)
    if long:
        fields.pop("max_age_s", None)
        fields["ttl_s"] = rule.long_ttl_s
    return PromptCache(**fields, long=long)


def _pays_from(endpoint: Endpoint, clock: Clock) -> float:
    """Return the tokens read per token written from which on marking a prefix saves money.

    ``(write + storage - input) / (input - read)`` at the base rates of the first moment.
    """
    prices = schedule(
        endpoint.card, endpoint.context, endpoint.content, clock.begin_s, clock.begin_s + 1
    )
    usd = dict(zip(PRICED, prices.usd[0, 0, 0, 0], strict=True))
    write = usd["cache_write_1h" if endpoint.cache.long else "cache_write"]
    stored = usd["storage"] * endpoint.cache.ttl_s / HOUR_S if endpoint.cache.stored else 0.0
    saved = usd["input"] - usd["cache_read"]
    return math.inf if saved <= 0 else max(0.0, (write + stored - usd["input"]) / saved)


def _tier(option: Api, offer: Offer) -> Tier:
    if option.tier is None:
        return Tier()
    return offer.tiers[option.tier]


def _check_tier(option: Api, offer: Offer) -> None:
    if option.tier is not None and option.tier not in offer.tiers:
        tiers = list(offer.tiers)
        hint = f"; known: {', '.join(tiers)}" if tiers else ": give limits instead"
        raise InputError(f"{option.offer} has no tier {option.tier!r}{hint}")


def _check_lifetime(option: Api, offer: Offer) -> None:
    rule = offer.cache
    unused = option.caching == "never" or rule is None or rule.rule == "none"
    if option.cache_lifetime == "long" and not unused and rule and rule.long_ttl_s is None:
        raise InputError(f"{option.offer} sells no long cache lifetime")


def _check_outages(option: Api, offer: Offer) -> None:
    if option.outages == "typical" and offer.availability is None:
        raise InputError(f"the availability of {option.offer} is not known: list its outages")


_CHECKS: dict[str, Callable[[Api, Offer], None]] = {
    "tier": _check_tier,
    "cache_lifetime": _check_lifetime,
    "outages": _check_outages,
}
"""Checks of single keys against the offer."""


def _rate_limit(limit: RateLimit) -> Limit:
    """Return a rate limit for the engine."""
    period_s = _PERIOD_S[limit.per]
    return Limit(limit.of, limit.amount, period_s, limit.burst_s or period_s)


def budget(limit: SpendLimit, span_s: float) -> Budget:
    """Return a spend limit as a budget for the engine.

    Parameters
    ----------
    limit : SpendLimit
        Spend limit of the scenario or the price book.
    span_s : float
        Length of the simulated span. A span shorter than a month gets its share of a monthly
        limit, because the month consists of repetitions of it.
    """
    if limit.period_hours is not None:
        kind: Literal["fixed", "rolling"] = "rolling" if limit.rolling else "fixed"
        return Budget(limit.usd, limit.period_hours * HOUR_S, kind)
    if span_s < _LEAST_MONTH_S:
        return Budget(limit.usd * span_s / MONTH_S, _FOREVER_S)
    return Budget(limit.usd, MONTH_S, "month")


def _outages(option: Api, offer: Offer, clock: Clock) -> tuple[tuple[float, float], ...]:
    """Return the start and end of every outage, Unix seconds."""
    if option.outages == "none":
        return ()
    if option.outages == "typical":
        assert offer.availability is not None
        # One stream for each provider, because its models fail together.
        provider = option.offer.partition("/")[0]
        rng = stream(clock.seed, f"outages/{provider}")
        return draw_outages(rng, offer.availability, clock.begin_s, clock.end_s)
    spans_s = ((unix_s(o.from_time), o.minutes * MINUTE_S) for o in option.outages)
    return tuple((begin, begin + length) for begin, length in sorted(spans_s))
