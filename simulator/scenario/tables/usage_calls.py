"""Pricing of usage rows as arrays: bounds of the cost, or the reason why a row has none."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InputError
from simulator.pricing.billing import MORE, TOO_LONG, Usage, priced, problems
from simulator.pricing.rates import RateCard
from simulator.pricing.rows import CONTEXTS
from simulator.pricing.sums import NO_LIMIT_TOK, UNKNOWN, CallSums, bounds, sum_problems
from simulator.scenario.catalog.price_book import PriceBook
from simulator.scenario.tables.usage_columns import COUNTS
from simulator.units import DAY_S

MOST_PERIOD_S = 400 * DAY_S
"""Longest period of a sum of calls: more than a year."""

_CACHED_APART = (
    "more tokens read and written than input_total, which is the whole prompt: where cached tokens "
    "are counted apart from input, as in Anthropic's usage, it is the sum of both"
)
_SUM_HINT = "; a sum of requests needs a column requests with their number"


@dataclass(frozen=True, slots=True)
class Calls:
    """Usage rows as columns, all (n_rows,)."""

    offers: Sequence[str]
    """Names of all offers."""
    offer: NDArray[np.int64]
    """Index into ``offers``."""
    at_s: NDArray[np.float64]
    """Time of the call, Unix seconds."""
    context: NDArray[np.int8]
    """Index into ``CONTEXTS``."""
    counts: dict[str, NDArray[np.int64]]
    """Tokens or calls, by the names of ``COUNTS``; missing ones are 0."""
    sums: "Periods | None" = None
    """How many calls each row is the sum of, and when they were made; None: one call each."""
    least_prompt_tok: NDArray[np.int64] | None = None
    """Shortest prompt of each of a row's calls; None: any."""
    most_prompt_tok: NDArray[np.int64] | None = None
    """Longest prompt of each of a row's calls; None: any."""


@dataclass(frozen=True, slots=True)
class Periods:
    """Rows as sums of calls, all (n_rows,)."""

    requests: NDArray[np.int64]
    """Number of calls, or ``pricing.sums.UNKNOWN``."""
    until_s: NDArray[np.float64]
    """End of the period in which they were made, which is excluded [Unix s]. A row of one request
    whose period ends at its start is a call at that time."""

    @staticmethod
    def of(
        at_s: NDArray[np.float64],
        requests: NDArray[np.int64] | None,
        until_s: NDArray[np.float64],
        in_window: NDArray[np.bool_],
    ) -> "Periods":
        """Return the periods of a table.

        Without numbers of requests, rows with an end or a context window are sums of unknown
        numbers of calls, and others are calls. Sums without an end (NaN) are of a day.
        """
        no_end = np.isnan(until_s)
        if requests is None:
            is_sum = ~no_end | in_window
            requests = np.where(is_sum, UNKNOWN, 1)
        else:
            is_sum = np.ones(len(at_s), np.bool_)
        return Periods(requests, np.where(no_end, at_s + np.where(is_sum, DAY_S, 0.0), until_s))


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs of rows, all (n_rows,); NaN for rows that cannot be priced."""

    low_usd: NDArray[np.float64]
    """Lower bound of the cost."""
    high_usd: NDArray[np.float64]
    """Upper bound, equal to the lower one where the cost is known."""
    depends_on: dict[int, str]
    """What decides between different bounds, by row."""

    @property
    def cost_usd(self) -> NDArray[np.float64]:
        """Known costs, NaN where the bounds differ."""
        return np.where(self.low_usd == self.high_usd, self.low_usd, np.nan)


Errors = dict[int, str]
"""Reasons why rows cannot be priced, by row; the first one of each."""


class Spans:
    """First and last times of priced calls by offer, for notes on uncertain prices."""

    def __init__(self) -> None:
        """Start without any calls."""
        self._by_offer: dict[str, tuple[float, float]] = {}

    def add(self, offer: str, at_s: NDArray[np.float64]) -> None:
        """Note calls of an offer, Unix seconds. (n_calls,)"""
        if len(at_s):
            low, high = self._by_offer.get(offer, (np.inf, -np.inf))
            self._by_offer[offer] = (min(low, float(at_s.min())), max(high, float(at_s.max())))

    def doubts(self, book: PriceBook) -> list[str]:
        """Return sentences on uncertain prices, such as those after the end of an offer."""
        return [
            text
            for offer, (begin_s, end_s) in sorted(self._by_offer.items())
            for text in book.card(offer).doubts(begin_s, end_s)
        ]


def refuse_commitments(
    offers: Sequence[str], offer: NDArray[np.int64], context: NDArray[np.int8], errors: Errors
) -> None:
    """Mark rows of Anthropic whose service tier is priority, where the column is a service tier.

    Anthropic's Priority Tier is capacity that was committed to (platform.claude.com, Service tiers,
    read on 2026-11-28), while the book's context is the fast mode, which costs several times as
    much as standard.
    """
    committed = [k for k, name in enumerate(offers) if name.startswith("anthropic/")]
    _mark(
        errors,
        np.isin(offer, committed) & (context == CONTEXTS.index("priority")),
        "Anthropic's service tier priority is a commitment without a price per token; calls in "
        "fast mode have priority in a column context",
    )


def price_calls(calls: Calls, errors: Errors, book: PriceBook, spans: Spans | None = None) -> Costs:
    """Price rows, with NaN for those that cannot be priced, and add the reasons to ``errors``."""
    usage = _usage(calls, errors)
    at_s = calls.at_s
    sums = _sums(calls, usage)
    single = (sums.calls == 1) & (sums.until_s == at_s)
    _mark(errors, ~single & (sums.until_s <= at_s), "the end of the period is not after its start")
    long = sums.until_s - at_s > MOST_PERIOD_S
    _mark(errors, long, f"the period is longer than {MOST_PERIOD_S / DAY_S:.0f} days")
    prompt = usage.prompt_tok
    outside = (prompt < sums.least_prompt_tok) | (prompt > sums.most_prompt_tok)
    _mark(errors, single & outside, "input_total contradicts the context window")
    costs = Costs(np.full(len(at_s), np.nan), np.full(len(at_s), np.nan), {})
    able = np.ones(len(at_s), np.bool_)
    able[list(errors)] = False
    for index, name in enumerate(calls.offers):
        rows = np.flatnonzero((calls.offer == index) & able)
        try:
            card = book.card(name)
        except InputError as error:
            _mark_rows(errors, rows, str(error))
            continue
        one = rows[single[rows]]
        costs.low_usd[one] = costs.high_usd[one] = _card_costs(card, usage.take(one), one, errors)
        _bound_sums(card, sums, rows[~single[rows]], costs, errors)
        if spans is not None:
            found = rows[~np.isnan(costs.low_usd[rows])]
            spans.add(card.offer, at_s[found])
            spans.add(card.offer, sums.until_s[found])
    return costs


def _sums(calls: Calls, usage: Usage) -> CallSums:
    size = len(calls.at_s)
    periods = calls.sums or Periods(np.ones(size, np.int64), calls.at_s)
    least, most = calls.least_prompt_tok, calls.most_prompt_tok
    return CallSums(
        usage,
        periods.until_s,
        periods.requests,
        np.zeros(size, np.int64) if least is None else least,
        np.full(size, NO_LIMIT_TOK) if most is None else most,
    )


def _bound_sums(
    card: RateCard, sums: CallSums, rows: NDArray[np.int64], costs: Costs, errors: Errors
) -> None:
    """Set the bounds of the costs of sums of calls of one offer."""
    if not len(rows):
        return
    able = np.ones(len(rows), np.bool_)
    for mask, reason in sum_problems(card, sums.take(rows)):
        _mark_rows(errors, rows[mask & able], reason)
        able &= ~mask
    kept = rows[able]
    found = bounds(card, sums.take(kept))
    costs.low_usd[kept], costs.high_usd[kept] = found.low_usd, found.high_usd
    costs.depends_on.update(
        (row, text) for row, text in zip(kept.tolist(), found.depends_on, strict=True) if text
    )


def _usage(calls: Calls, errors: Errors) -> Usage:
    """Split totals into parts that are billed separately; mark rows whose parts are larger."""
    none = np.zeros(len(calls.at_s), np.int64)
    counts = {name: calls.counts.get(name, none) for name in COUNTS}
    more = {name: counts[name] for name in MORE if name in calls.counts}
    for medium in ("audio", "image"):
        cached = counts[f"cache_read_{medium}"]
        if f"input_{medium}" in more:
            more[f"input_{medium}"] = counts[f"input_{medium}"] - cached
        over = counts[f"input_{medium}"] < cached
        _mark(errors, over, f"more {medium} tokens read from a cache than in the prompt")
    media = counts["input_audio"] + counts["input_image"] + counts["input_video"]
    cached_media = counts["cache_read_audio"] + counts["cache_read_image"]
    cached = counts["cache_read"] - cached_media
    written = counts["cache_write_5m"] + counts["cache_write_1h"]
    fresh = counts["input_total"] - counts["cache_read"] - written
    uncached = fresh - (media - cached_media)
    media_output = counts["output_audio"] + counts["output_image"] + counts["output_video"]
    visible = counts["output_total"] - counts["reasoning"]
    _mark(errors, fresh < 0, _CACHED_APART)
    _mark(errors, cached < 0, "more audio and image tokens read from a cache than cache_read")
    _mark(errors, uncached < 0, "more audio, image and video tokens than input_total")
    total = counts["total"]
    differs = (total > 0) & (total != counts["input_total"] + counts["output_total"])
    _mark(errors, differs, "total is not input_total + output_total")
    _mark(errors, visible < 0, "more reasoning tokens than output_total")
    _mark(errors, visible < media_output, "more audio, image and video tokens than output_total")
    return Usage.of(
        calls.at_s,
        uncached_input=uncached,
        cache_read=cached,
        cache_write=counts["cache_write_5m"],
        cache_write_1h=counts["cache_write_1h"],
        output=visible - media_output,
        reasoning=counts["reasoning"],
        context=calls.context,
        more=more,
    )


def _card_costs(
    card: RateCard, usage: Usage, rows: NDArray[np.int64], errors: Errors
) -> NDArray[np.float64]:
    """Price the rows of one offer, NaN for those that the card cannot price."""
    able = np.ones(len(rows), np.bool_)
    for mask, reason in problems(card, usage):
        hint = _SUM_HINT if reason.startswith(TOO_LONG) else ""
        _mark_rows(errors, rows[mask & able], reason + hint)
        able &= ~mask
    cost_usd = np.full(len(rows), np.nan)
    cost_usd[able] = 0.0
    for cost in priced(card, usage if able.all() else usage.take(able)).values():
        cost_usd[able] += cost
    return cost_usd


def _mark(errors: Errors, mask: NDArray[np.bool_], reason: str) -> None:
    _mark_rows(errors, np.flatnonzero(mask), reason)


def _mark_rows(errors: Errors, rows: NDArray[np.int64], reason: str) -> None:
    for row in rows.tolist():
        errors.setdefault(row, reason)
