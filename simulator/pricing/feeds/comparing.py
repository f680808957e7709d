"""Two rate cards of one offer at one moment: where they agree, and where not.

Cards are compared by what they charge, not by how their rows are written: rates are asked for at
both sides of every threshold, in and outside the hours that either of them knows.
"""

import math
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np

from simulator.pricing.billing import Usage, rates
from simulator.pricing.rates import RateCard
from simulator.pricing.rows import BUCKETS, CONTEXTS, RateRow
from simulator.units import DAY_S

_PLAIN_TOK = 1
"""Prompt below any threshold."""
_PROBED = tuple(bucket for bucket in BUCKETS if bucket != "storage")


@dataclass(frozen=True, slots=True)
class Difference:
    """A rate on which two cards differ."""

    context: str
    bucket: str
    when: str
    """Condition in words: ``always``, a threshold, an hour."""
    before: float | None
    """In the units of ``BUCKETS``; None where the first card does not name it."""
    after: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two cards charge."""

    same: int = 0
    """Rates that both charge alike, whether named or by way of another bucket's."""
    agreeing: set[tuple[str, str]] = field(default_factory=set)
    """Contexts and buckets of which at least one rate is alike."""
    differing: list[Difference] = field(default_factory=list)
    """Rates that both name, not alike."""
    only_before: list[Difference] = field(default_factory=list)
    only_after: list[Difference] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    """Contexts that the first card alone sells."""
    new: list[str] = field(default_factory=list)


def compared(before: RateCard, after: RateCard, at_s: float, tolerance: float) -> Comparison:
    """Compare two cards at a Unix time.

    Parameters
    ----------
    before, after : RateCard
        Of the same offer.
    at_s : float
        When; cards with prices by the hour are compared over the seven days from its midnight.
    tolerance : float
        Share by which two rates may differ and still be alike.
    """
    found = Comparison()
    same = 0
    for context in CONTEXTS:
        sold = [_is_sold(card, context, at_s) for card in (before, after)]
        if not any(sold):
            continue
        if not all(sold):
            (found.gone if sold[0] else found.new).append(context)
        calls, labels = _probes(before, after, context, at_s)
        pairs = list(zip((before, after), sold, strict=True))
        rows = [
            rates(card, calls, buckets=_PROBED, stated=True) if known else None
            for card, known in pairs
        ]
        charged = [rates(card, calls, buckets=_PROBED) if known else None for card, known in pairs]
        seen = set()
        for bucket in _PROBED:
            for place, label in enumerate(labels):
                was, is_ = (math.nan if r is None else float(r[bucket][place]) for r in rows)
                if math.isnan(was) and math.isnan(is_):
                    continue
                if (math.isnan(was) or math.isnan(is_)) and 0.0 in (was, is_):
                    continue  # an embedding's output, say: free, or not there
                pays = [math.nan if r is None else float(r[bucket][place]) for r in charged]
                if abs(pays[0] - pays[1]) <= max(tolerance, 1e-9) * max(pays):
                    same += 1
                    found.agreeing.add((context, bucket))
                    continue
                told = Difference(context, bucket, label, _number(was), _number(is_))
                if (rate := (bucket, told.before, told.after)) not in seen:
                    seen.add(rate)
                    _place(found, told)
    return replace(found, same=same)


def _place(found: Comparison, told: Difference) -> None:
    if told.before is None:
        found.only_after.append(told)
    elif told.after is None:
        found.only_before.append(told)
    else:
        found.differing.append(told)


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
    """Return calls that fall on every side of the cards' conditions, and what each stands for."""
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
    found = set()
    if row.prompt_tokens_above is not None:
        found |= {row.prompt_tokens_above, row.prompt_tokens_above + 1}
    if row.prompt_tokens_from is not None:
        found |= {row.prompt_tokens_from - 1, row.prompt_tokens_from}
    return {edge for edge in found if edge > 0}


def _hours(rows: tuple[RateRow, ...], at_s: float) -> dict[float, str]:
    """Moments in the middle of every span of hours, on each of seven days."""
    edges = {0.0, DAY_S}
    for row in rows:
        if row.utc_window_s is not None:
            edges |= set(row.utc_window_s)
    middles = [(a + b) / 2 for a, b in zip(sorted(edges), sorted(edges)[1:], strict=False)]
    midnight = at_s // DAY_S * DAY_S
    found = {}
    for day in range(7):
        for middle in middles:
            moment = midnight + day * DAY_S + middle
            name = ("Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed")[int(moment // DAY_S) % 7]
            found[moment] = f"{name} {int(middle) // 3600:02}:{int(middle) % 3600 // 60:02} UTC"
    return found
