"""The book against the price files of others: where they agree, and what would close the gaps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from simulator.pricing.feeds.comparing import Comparison, Difference, compared
from simulator.pricing.feeds.feed import Facts, Feed
from simulator.pricing.rates import RateCard
from simulator.pricing.rows import RateRow


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a source differs from the book, and the book is right or nobody knows."""

    source: str
    """``genai-prices``, ``litellm``, ``model-prices``, or ``*``."""
    offer: str
    """Name, or a pattern with ``*``."""
    why: str
    context: str = "*"
    bucket: str = "*"

    def explains(self, source: str, offer: str, told: Difference) -> bool:
        """Whether it is about a difference."""
        pairs = (
            (source, self.source),
            (offer, self.offer),
            (told.context, self.context),
            (told.bucket, self.bucket),
        )
        return all(fnmatchcase(name, pattern) for name, pattern in pairs)


@dataclass(frozen=True, slots=True)
class Found:
    """A difference with its offer, and why it is one where that is known."""

    offer: str
    told: Difference
    why: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """What one source says of the book."""

    source: str
    name: str
    """Of the file or package."""
    offers: int = 0
    """That both know."""
    same: int = 0
    """Rates that both charge alike."""
    differing: list[Found] = field(default_factory=list)
    explained: list[Found] = field(default_factory=list)
    missing: list[Found] = field(default_factory=list)
    """Rates that the source names and the book does not."""
    only_book: int = 0
    """Rates that the book names and the source does not."""
    facts: list[tuple[str, str]] = field(default_factory=list)
    """Offer and what the source knows of its dates or sizes that the book does not."""
    rows: dict[str, list[RateRow]] = field(default_factory=dict)
    """Rows that would add what is missing, by offer."""

    @property
    def agreement(self) -> float:
        """Share of the rates that both name, without explained ones, that are alike."""
        compared_rates = self.same + len(self.differing)
        return self.same / compared_rates if compared_rates else 1.0


def check(
    feed: Feed,
    card_of: Callable[[str], RateCard | None],
    known: list[Explanation],
    at_s: float,
    tolerance: float,
) -> Check:
    """Compare the book with a feed at a Unix time.

    Parameters
    ----------
    feed : Feed
        What it says.
    card_of : callable
        The book's card of an offer, None where it has none.
    known : list of Explanation
        Differences that are understood; they are counted apart.
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
        found = compared(ours, theirs, at_s, tolerance)
        same += found.same
        only_book += len(found.only_before)
        for told in found.differing:
            why = next((e.why for e in known if e.explains(source, offer, told)), "")
            (result.explained if why else result.differing).append(Found(offer, told, why))
        result.missing.extend(Found(offer, told) for told in found.only_after)
        rows = _proposed(theirs, found, at_s)
        if rows:
            result.rows[offer] = rows
        result.facts.extend((offer, text) for text in _new_facts(ours, feed.facts.get(offer)))
    return Check(
        source, feed.name, offers, same, result.differing, result.explained, result.missing,
        only_book, result.facts, result.rows,
    )  # fmt: skip


def _proposed(theirs: RateCard, found: Comparison, at_s: float) -> list[RateRow]:
    """Return a source's rows with what the book does not name, by context."""
    wanted: dict[str, set[str]] = {}
    for told in found.only_after:
        wanted.setdefault(told.context, set()).add(told.bucket)
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
    """Return a row without the day on which a feed began to watch a price that always held."""
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
    found = []
    if theirs.ends is not None and theirs.ends != ours.lifetime.ends:
        book = ours.lifetime.ends
        found.append(f"ends {theirs.ends}" + (f", the book has {book}" if book else ""))
    most = theirs.max_input_tok
    if most is not None and ours.most_prompt_tok is not None and most < ours.most_prompt_tok:
        found.append(f"takes {most} tokens at most, the book has {ours.most_prompt_tok}")
    return found


def changes(
    ours: Mapping[str, RateCard],
    theirs: Mapping[str, RateCard],
    whole: bool,
    at_s: float,
    tolerance: float,
) -> list[dict[str, Any]]:
    """Return what differs between two sets of cards at a Unix time, offer by offer.

    Where ``whole`` is false, what the second set lacks is not gone. Nor is what the first has from
    elsewhere: offers of the overlay alone.
    """
    found: list[dict[str, Any]] = []
    for offer in sorted({*ours, *theirs} if whole else {*ours}.intersection(theirs)):
        before, after = ours.get(offer), theirs.get(offer)
        if before is None or after is None:
            found.append({"offer": offer, "change": "new" if before is None else "gone"})
            continue
        result = compared(before, after, at_s, tolerance)
        for change, contexts in (("gone", result.gone), ("new", result.new)):
            found += [{"offer": offer, "change": change, "when": name} for name in contexts]
        for told in (*result.differing, *result.only_before, *result.only_after):
            if told.context in (*result.gone, *result.new):
                continue
            words = [told.context] if told.context != "standard" else []
            words += [told.when] if told.when != "always" or not words else []
            rates = {"before": told.before, "after": told.after}
            place = {"offer": offer, "bucket": told.bucket, "when": ", ".join(words)}
            found.append({"change": "rate", **place, **rates})
    return found
