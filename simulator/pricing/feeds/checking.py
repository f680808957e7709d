"""Comparison of the price book with feeds: agreement, differences, and rows to add."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from simulator.pricing.billing import Usage, rates
from simulator.pricing.feeds.comparing import CardComparison, Difference, compared
from simulator.pricing.feeds.feed import Facts, Feed
from simulator.pricing.rates import RateCard
from simulator.pricing.rows import RateRow


@dataclass(frozen=True, slots=True)
class KnownDifference:
    """Reason why a source differs from a book that is right, or why the truth is unknown."""

    source: str
    """Kind of source: ``genai-prices``, ``litellm``, ``model-prices``, ``models.dev``, or ``*``."""
    offer: str
    """Name of the offer, or a pattern with ``*``."""
    why: str
    context: str = "*"
    bucket: str = "*"

    def explains(self, source: str, offer: str, difference: Difference) -> bool:
        """Return whether it applies to a difference."""
        pairs = (
            (source, self.source),
            (offer, self.offer),
            (difference.context, self.context),
            (difference.bucket, self.bucket),
        )
        return all(fnmatchcase(name, pattern) for name, pattern in pairs)


@dataclass(frozen=True, slots=True)
class OfferDifference:
    """A difference with its offer, and its explanation if there is one."""

    offer: str
    difference: Difference
    why: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """Result of comparing the book with one source."""

    source: str
    name: str
    """Name of the file or package."""
    offers: int = 0
    """Number of offers that both have."""
    same: int = 0
    """Number of rates that are equal."""
    differing: list[OfferDifference] = field(default_factory=list)
    explained: list[OfferDifference] = field(default_factory=list)
    missing: list[OfferDifference] = field(default_factory=list)
    """Rates that the source has and the book does not."""
    only_book: int = 0
    """Number of rates that the book has and the source does not."""
    facts: list[tuple[str, str]] = field(default_factory=list)
    """Offers, each with a date or size on which the source differs from the book."""
    rows: dict[str, list[RateRow]] = field(default_factory=dict)
    """Rows that would add the missing rates, by offer."""

    @property
    def agreement(self) -> float:
        """Share of equal rates among those that both have, without explained differences."""
        compared_rates = self.same + len(self.differing)
        return self.same / compared_rates if compared_rates else 1.0


def check(
    feed: Feed,
    card_of: Callable[[str], RateCard | None],
    known: list[KnownDifference],
    at_s: float,
    tolerance: float,
) -> Check:
    """Compare the book with a feed at a Unix time.

    Parameters
    ----------
    feed : Feed
        Feed to compare with.
    card_of : callable
        Function that returns the book's card of an offer, or None.
    known : list of Explanation
        Explanations of known differences, which are counted separately.
    at_s, tolerance : float
        See ``compared``.
    """
    offers = same = only_book = 0
    source = feed.kind
    result = Check(source, feed.name)
    for offer in sorted(feed.cards):
        ours = card_of(offer)
        if ours is None:
            continue
        offers += 1
        theirs = feed.cards[offer]
        comparison = compared(ours, theirs, at_s, tolerance)
        same += comparison.same
        only_book += len(comparison.only_before)
        for difference in comparison.differing:
            why = next((e.why for e in known if e.explains(source, offer, difference)), "")
            (result.explained if why else result.differing).append(
                OfferDifference(offer, difference, why)
            )
        result.missing.extend(
            OfferDifference(offer, difference) for difference in comparison.only_after
        )
        rows = _proposed(theirs, comparison, at_s)
        if rows:
            result.rows[offer] = rows
        result.facts.extend((offer, text) for text in _new_facts(ours, feed.facts.get(offer)))
    return Check(
        source, feed.name, offers, same, result.differing, result.explained, result.missing,
        only_book, result.facts, result.rows,
    )  # fmt: skip


def _proposed(theirs: RateCard, comparison: CardComparison, at_s: float) -> list[RateRow]:
    """Return rows of a source with the rates that the book lacks."""
    wanted: dict[str, set[str]] = {}
    for missing in comparison.only_after:
        wanted.setdefault(missing.context, set()).add(missing.bucket)
    rows = []
    for context, buckets in wanted.items():
        for row in theirs.rows:
            if (row.context or "standard") != context or row.timed or not row.in_force(at_s):
                continue
            rates = {bucket: rate for bucket, rate in row.rates.items() if bucket in buckets}
            if rates:
                rows.append(_undated_start(row, rates, context))
    return rows


def _undated_start(row: RateRow, rates: dict[str, float], context: str) -> RateRow:
    """Return a row of some rates; without its start date in standard context.

    There the date is only the day on which a feed first recorded the price.
    """
    return RateRow(
        rates,
        context=None if context == "standard" else context,
        prompt_tokens_above=row.prompt_tokens_above,
        prompt_tokens_from=row.prompt_tokens_from,
        thinking=row.thinking,
        from_time=row.from_time if context != "standard" else None,
    )


def _new_facts(ours: RateCard, theirs: Facts | None) -> list[str]:
    if theirs is None:
        return []
    texts = []
    if theirs.ends is not None and theirs.ends != ours.lifetime.ends:
        book = ours.lifetime.ends
        texts.append(f"ends {theirs.ends}" + (f", the book has {book}" if book else ""))
    most = theirs.max_input_tok
    if most is not None and ours.most_prompt_tok is not None and most < ours.most_prompt_tok:
        texts.append(f"accepts at most {most} tokens, the book has {ours.most_prompt_tok}")
    return texts


def changes(
    ours: Mapping[str, RateCard],
    theirs: Mapping[str, RateCard],
    whole: bool,
    at_s: float,
    tolerance: float,
) -> list[dict[str, Any]]:
    """Return what differs between two sets of cards at a Unix time, offer by offer.

    Unless ``whole``, offers that the second set lacks do not count as gone. The caller removes from
    the first set offers from other sources, such as the overlay. A new offer, and one that is gone,
    has its standard rates for short prompts.
    """
    found: list[dict[str, Any]] = []
    for offer in sorted({*ours, *theirs} if whole else theirs):
        before, after = ours.get(offer), theirs.get(offer)
        if before is None or after is None:
            change, card = ("new", after) if before is None else ("gone", before)
            if card is not None:
                found.append({"offer": offer, "change": change, "rates": _base_rates(card, at_s)})
            continue
        result = compared(before, after, at_s, tolerance)
        for change, contexts in (("gone", result.gone), ("new", result.new)):
            found += [{"offer": offer, "change": change, "when": name} for name in contexts]
        for rate in (*result.differing, *result.only_before, *result.only_after):
            if rate.context in (*result.gone, *result.new):
                continue
            words = [rate.context] if rate.context != "standard" else []
            words += [rate.when] if rate.when != "always" or not words else []
            usd = {"before": rate.before, "after": rate.after, "percent": _percent(rate)}
            key = {"offer": offer, "bucket": rate.bucket, "when": ", ".join(words)}
            found.append({"change": "rate", **key, **usd})
    return found


def _base_rates(card: RateCard, at_s: float) -> dict[str, float]:
    """Return the named rates of a short standard call."""
    call = Usage.of(np.array([at_s]))
    by_bucket = rates(card, call, stated=True)
    return {bucket: float(rate[0]) for bucket, rate in by_bucket.items() if not np.isnan(rate[0])}


def _percent(rate: Difference) -> float | None:
    """Return by how much a rate changes, None if one side has none or the first is free."""
    if not rate.before or rate.after is None:
        return None
    return 100 * (rate.after / rate.before - 1)
