"""Comparison of two rate cards of one offer at one time.

Cards are compared by the rates that they charge, not by their rows: on both sides of every
threshold of prompt length, and within and outside the hours of either card.
"""

import math
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np

from simulator.pricing.billing import Usage, rates
from simulator.pricing.rates import RateCard
from simulator.pricing.rows import BUCKETS, CONTEXTS, RateRow, clock_text
from simulator.units import DAY_S

_PLAIN_TOK = 1
"""Prompt length below any threshold."""
_PROBED = tuple(bucket for bucket in BUCKETS if bucket != "storage")


@dataclass(frozen=True, slots=True)
class Difference:
    """A rate on which two cards differ."""

    context: str
    bucket: str
    when: str
    """Condition as text: ``always``, a threshold, an hour."""
    before: float | None
    """Rate of the first card, in the units of ``BUCKETS``; None if it does not name the rate."""
    after: float | None
    """Rate of the second card, likewise."""


@dataclass(frozen=True, slots=True)
class CardComparison:
    """Equal and different rates of two cards."""

    same: int = 0
    """Number of equal rates, named ones and fallbacks to other buckets."""
    agreeing: set[tuple[str, str]] = field(default_factory=set)
    """Pairs of context and bucket with at least one equal rate."""
    differing: list[Difference] = field(default_factory=list)
    """Different rates that both cards name."""
    only_before: list[Difference] = field(default_factory=list)
    """Rates that only the first card names."""
    only_after: list[Difference] = field(default_factory=list)
    """Rates that only the second card names."""
    gone: list[str] = field(default_factory=list)
    """Contexts that only the first card sells."""
    new: list[str] = field(default_factory=list)
    """Contexts that only the second card sells."""


def compared(before: RateCard, after: RateCard, at_s: float, tolerance: float) -> CardComparison:
    """Compare two cards at a Unix time.

    Parameters
    ----------
    before, after : RateCard
        Cards of the same offer.
    at_s : float
        Unix time [s]; cards with hourly prices are compared over seven days from its midnight.
    tolerance : float
        Relative difference up to which two rates count as equal.
    """
    comparison = CardComparison()
    same = 0
    for context in CONTEXTS:
        sold = [_is_sold(card, context, at_s) for card in (before, after)]
        if not any(sold):
            continue
        if not all(sold):
            (comparison.gone if sold[0] else comparison.new).append(context)
        calls, labels = _probes(before, after, context, at_s)
        pairs = list(zip((before, after), sold, strict=True))
        rows = [
            rates(card, calls, buckets=_PROBED, stated=True) if known else None
            for card, known in pairs
        ]
        charged = [rates(card, calls, buckets=_PROBED) if known else None for card, known in pairs]
        seen = set()
        for bucket in _PROBED:
            for index, label in enumerate(labels):
                was, is_ = (math.nan if r is None else float(r[bucket][index]) for r in rows)
                if math.isnan(was) and math.isnan(is_):
                    continue
                if (math.isnan(was) or math.isnan(is_)) and 0.0 in (was, is_):
                    continue  # free and absent are the same, as for the output of embeddings
                pays = [math.nan if r is None else float(r[bucket][index]) for r in charged]
                if abs(pays[0] - pays[1]) <= max(tolerance, 1e-9) * max(pays):
                    same += 1
                    comparison.agreeing.add((context, bucket))
                    continue
                difference = Difference(context, bucket, label, _number(was), _number(is_))
                if (rate := (bucket, difference.before, difference.after)) not in seen:
                    seen.add(rate)
                    _add_difference(comparison, difference)
    return replace(comparison, same=same)


def _add_difference(comparison: CardComparison, difference: Difference) -> None:
    if difference.before is None:
        comparison.only_after.append(difference)
    elif difference.after is None:
        comparison.only_before.append(difference)
    else:
        comparison.differing.append(difference)


def _number(rate: float) -> float | None:
    return None if math.isnan(rate) else rate


def _is_sold(card: RateCard, context: str, at_s: float) -> bool:
    if context == CONTEXTS[0]:
        return True
    own = [row for row in card.rows if row.context == context and not row.tiered]
    return any(row.in_force(at_s) for row in own)


def _probes(
    before: RateCard, after: RateCard, context: str, at_s: float
) -> tuple[Usage, list[str]]:
    """Return calls on every side of the cards' conditions, and a label of each."""
    rows = (*before.rows, *after.rows)
    most = [card.most_prompt_tok for card in (before, after) if card.most_prompt_tok]
    prompts = {_PLAIN_TOK: ""}
    for edge in sorted({edge for row in rows for edge in _edges(row)}):
        if edge <= min(most, default=edge):
            prompts[edge] = f"prompt of {edge}"
    moments = {at_s: ""}
    if any(row.timed for row in rows if row.in_force(at_s)):
        moments = _hours(rows, at_s)
    thinking = (0, 1) if any(row.thinking is not None for row in rows) else (0,)
    cells = list(product(moments.items(), prompts.items(), thinking))
    calls = Usage.of(
        np.array([moment for (moment, _), _, _ in cells]),
        uncached_input=np.array([prompt for _, (prompt, _), _ in cells]),
        reasoning=np.array([thinks for _, _, thinks in cells]),
        context=np.full(len(cells), CONTEXTS.index(context), np.int8),
    )
    labels = [
        ", ".join(word for word in (tier, hour, "thinking" if thinks else "") if word) or "always"
        for (_, hour), (_, tier), thinks in cells
    ]
    return calls, labels


def _edges(row: RateRow) -> set[int]:
    edges = set()
    if row.prompt_tokens_above is not None:
        edges |= {row.prompt_tokens_above, row.prompt_tokens_above + 1}
    if row.prompt_tokens_from is not None:
        edges |= {row.prompt_tokens_from - 1, row.prompt_tokens_from}
    return {edge for edge in edges if edge > 0}


def _hours(rows: tuple[RateRow, ...], at_s: float) -> dict[float, str]:
    """Return the middle of every span of hours on each of seven days, with its name."""
    edges = {0.0, DAY_S}
    for row in rows:
        if row.utc_window_s is not None:
            edges |= set(row.utc_window_s)
    middles = [(a + b) / 2 for a, b in zip(sorted(edges), sorted(edges)[1:], strict=False)]
    midnight = at_s // DAY_S * DAY_S
    names = {}
    for day in range(7):
        for middle in middles:
            moment = midnight + day * DAY_S + middle
            name = ("Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed")[int(moment // DAY_S) % 7]
            names[moment] = f"{name} {clock_text(middle)} UTC"
    return names
