"""A bill: list prices of a source's calls by line, compared with what the source recorded.

List prices are bounds where a sum of calls does not tell what its price depends on. A difference
from the recorded cost is explained where a common way of counting, or one factor on all prices,
gives the recorded cost.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InputError
from simulator.pricing.rows import CONTEXTS
from simulator.scenario.bills.billed_rows import BilledRows, Line
from simulator.scenario.catalog.price_book import PriceBook
from simulator.scenario.tables.usage_calls import Calls, Costs, Errors, Periods, price_calls

TOLERANCE = 0.005
"""Relative difference up to which two costs count as equal."""
_LEAST_USD = 0.005
"""Amount in USD below which a difference needs no explanation."""
_NO_TOKENS = "the source does not tell its prompt tokens and its output tokens"
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Sum:
    """What some rows amount to."""

    calls: float | None
    """Number of calls, None if the source does not count them."""
    tokens: dict[str, int]
    """Tokens by the names of usage columns."""
    low_usd: float
    """Lower bound of the list price of the rows that have a price."""
    high_usd: float
    recorded_usd: float | None
    """Cost that the source states, None if it states none for any row."""
    compared_low_usd: float
    """Lower bound of the list price of the rows with a price and a recorded cost."""
    compared_high_usd: float
    compared_recorded_usd: float
    """Recorded cost of the same rows."""
    unpriced: int
    """Rows without a list price."""
    unrecorded: int
    """Rows without a recorded cost."""

    @property
    def difference_usd(self) -> float | None:
        """Recorded cost less the list price of the same rows; 0 within its bounds."""
        if self.recorded_usd is None or self.compared_high_usd == 0 == self.compared_recorded_usd:
            return None
        recorded = self.compared_recorded_usd
        return recorded - min(max(recorded, self.compared_low_usd), self.compared_high_usd)

    @property
    def agrees(self) -> bool:
        """Whether the recorded cost is the list price, but for rounding."""
        difference = self.difference_usd
        if difference is None:
            return False
        scale = max(self.compared_recorded_usd, self.compared_high_usd)
        return abs(difference) <= max(_LEAST_USD, TOLERANCE * scale)


@dataclass(frozen=True, slots=True)
class BillLine:
    """One line of a bill."""

    line: Line
    offer: str | None
    """Offer by whose prices it is priced, None if none has its name."""
    sum: Sum
    notes: tuple[str, ...]
    """Why rows have no price, what a bound depends on, and what explains a difference."""


@dataclass(frozen=True, slots=True)
class CheckedBill:
    """A whole bill."""

    lines: tuple[BillLine, ...]
    left_out: tuple[BillLine, ...]
    """Rows that are no requests of a model; gateways may have recorded a cost for them."""
    total: Sum
    begin_s: float
    end_s: float
    _rows: BilledRows = field(repr=False)
    _costs: Costs = field(repr=False)

    def by(self, key: Callable[[Line], str]) -> dict[str, Sum]:
        """Return sums of lines by a key, the largest first."""
        kept = _requests(self._rows)
        names = [key(line) for line in self._rows.lines]
        groups = sorted(set(names))
        group = np.array([groups.index(name) for name in names])[self._rows.line]
        sums = {
            name: _summed(self._rows, self._costs, np.flatnonzero(kept & (group == k)))
            for k, name in enumerate(groups)
            if (kept & (group == k)).any()
        }
        return dict(sorted(sums.items(), key=lambda item: -_size(item[1])))

    def by_month(self) -> dict[str, Sum]:
        """Return sums by the calendar months (UTC) in which rows begin."""
        months = self._rows.at_s.astype("datetime64[s]").astype("datetime64[M]").astype(str)
        kept = _requests(self._rows)
        return {
            str(month): _summed(self._rows, self._costs, np.flatnonzero(kept & (months == month)))
            for month in np.unique(months[kept])
        }


def bill_of(rows: BilledRows, book: PriceBook) -> CheckedBill:
    """Price the rows of a source by line, and compare them with what it recorded."""
    offers, reasons = _offers(rows.lines, book)
    errors: Errors = {}
    costs = _priced(rows, offers, reasons, book, errors)
    alternatives = _alternatives(rows, offers, reasons, book, costs)
    lines: list[BillLine] = []
    left_out: list[BillLine] = []
    order = np.argsort(rows.line, kind="stable")
    starts = np.searchsorted(rows.line[order], np.arange(len(rows.lines) + 1))
    for index, line in enumerate(rows.lines):
        own = order[starts[index] : starts[index + 1]]
        found = _summed(rows, costs, own)
        notes = _row_notes(own, errors, costs)
        if not line.left_out:
            notes += _explanations(found, rows, costs, own, alternatives)
        (left_out if line.left_out else lines).append(
            BillLine(line, offers[index], found, tuple(notes))
        )
    kept = np.flatnonzero(_requests(rows))
    return CheckedBill(
        tuple(sorted(lines, key=lambda each: -_size(each.sum))),
        tuple(left_out),
        _summed(rows, costs, kept),
        float(np.nanmin(rows.at_s)),
        float(np.nanmax(rows.until_s)),
        rows,
        costs,
    )


def _requests(rows: BilledRows) -> NDArray[np.bool_]:
    """Return which rows are requests of a model. (n_rows,)"""
    kept: NDArray[np.bool_] = np.array([not line.left_out for line in rows.lines])[rows.line]
    return kept


def _size(total: Sum) -> float:
    return max(total.high_usd, total.recorded_usd or 0.0)


def _offers(lines: Iterable[Line], book: PriceBook) -> tuple[list[str | None], dict[int, str]]:
    """Return the offer of each line, and the reasons of those without one by number."""
    offers: list[str | None] = []
    reasons: dict[int, str] = {}
    found: dict[tuple[str, str], str | InputError] = {}
    for index, line in enumerate(lines):
        key = (line.provider, line.model)
        if key not in found:
            try:
                found[key] = book.find_sold(line.model, line.provider)
            except InputError as error:
                found[key] = error
        offer = found[key]
        offers.append(offer if isinstance(offer, str) else None)
        if isinstance(offer, InputError):
            reasons[index] = str(offer)
        elif line.tier and line.tier not in CONTEXTS:
            reasons[index] = f"no price is known for the service tier {line.tier!r}"
    return offers, reasons


def _priced(
    rows: BilledRows,
    offers: list[str | None],
    reasons: dict[int, str],
    book: PriceBook,
    errors: Errors,
) -> Costs:
    """Return the costs of rows at list prices, and add the reasons of those without a price."""
    names = sorted({offer for offer in offers if offer is not None})
    number = np.array([-1 if o is None else names.index(o) for o in offers], np.int64)
    for index, reason in reasons.items():
        errors.update(dict.fromkeys(np.flatnonzero(rows.line == index).tolist(), reason))
    without = np.flatnonzero(~rows.has_tokens).tolist()
    errors.update(dict.fromkeys(without, _NO_TOKENS))
    undated = np.flatnonzero(np.isnan(rows.at_s)).tolist()
    errors.update(dict.fromkeys(undated, "its time is not known"))
    calls = Calls(
        names,
        number[rows.line],
        rows.at_s,
        rows.context,
        rows.counts,
        Periods(rows.requests, rows.until_s),
        rows.least_prompt_tok,
        rows.most_prompt_tok,
    )
    return price_calls(calls, errors, book)


def _summed(rows: BilledRows, costs: Costs, own: NDArray[np.int64]) -> Sum:
    low, high, recorded = costs.low_usd[own], costs.high_usd[own], rows.recorded_usd[own]
    has_price, has_record = np.isfinite(low), np.isfinite(recorded)
    both = has_price & has_record
    counted = rows.requests[own]
    return Sum(
        calls=float(counted.sum()) if (counted >= 0).all() else None,
        tokens={name: int(column[own].sum()) for name, column in rows.counts.items()},
        low_usd=float(low[has_price].sum()),
        high_usd=float(high[has_price].sum()),
        recorded_usd=float(recorded[has_record].sum()) if has_record.any() else None,
        compared_low_usd=float(low[both].sum()),
        compared_high_usd=float(high[both].sum()),
        compared_recorded_usd=float(recorded[both].sum()),
        unpriced=int((~has_price).sum()),
        unrecorded=int((~has_record).sum()),
    )


def _row_notes(own: NDArray[np.int64], errors: Errors, costs: Costs) -> list[str]:
    """Return the reasons why some rows have no price, and what bounds depend on, by frequency."""
    notes = []
    for texts, ending in ((errors, "no list price"), (costs.depends_on, "")):
        found: dict[str, int] = {}
        for row in own.tolist():
            if row in texts:
                found[texts[row]] = found.get(texts[row], 0) + 1
        ordered = sorted(found.items(), key=lambda item: -item[1])
        for text, count in ordered[:_MOST_NAMED]:
            many = f"{count:,} of {len(own):,} rows" if count < len(own) else "all rows"
            notes.append(f"{ending}, {many}: {text}" if ending else f"the price depends on {text}")
    return notes


@dataclass(frozen=True, slots=True)
class _Alternative:
    """Another way of counting, with its costs."""

    text: str
    costs: Costs


def _alternatives(
    rows: BilledRows,
    offers: list[str | None],
    reasons: dict[int, str],
    book: PriceBook,
    costs: Costs,
) -> list[_Alternative]:
    """Return ways of counting that gateways are known for, if anything differs at all."""
    has_both = np.isfinite(costs.low_usd) & np.isfinite(rows.recorded_usd)
    off = np.abs(rows.recorded_usd - costs.low_usd) > TOLERANCE * np.abs(costs.low_usd)
    if not (has_both & off).any():
        return []
    none = np.zeros(rows.size, np.int64)
    counts = rows.counts
    ways = {
        "as if no prompt had been cached": {
            "cache_read": none, "cache_write_5m": none, "cache_write_1h": none,
        },
        "as if writing to a cache cost no more than input": {
            "cache_write_5m": none, "cache_write_1h": none,
        },
        "as if all were written to the cache for the shorter lifetime": {
            "cache_write_5m": counts["cache_write_5m"] + counts["cache_write_1h"],
            "cache_write_1h": none,
        },
        "without the tokens that were read from a cache": {
            "input_total": counts["input_total"] - counts["cache_read"], "cache_read": none,
        },
        "with cached tokens in addition to a prompt that contains them": {
            "input_total": counts["input_total"] + counts["cache_read"],
        },
        "without reasoning tokens": {
            "output_total": counts["output_total"] - counts["reasoning"], "reasoning": none,
        },
        "with reasoning tokens in addition to an output that contains them": {
            "output_total": counts["output_total"] + counts["reasoning"],
        },
    }  # fmt: skip
    found = []
    for text, changed in ways.items():
        if all(np.array_equal(column, counts[name]) for name, column in changed.items()):
            continue
        other = _priced(rows.with_counts(**changed), offers, reasons, book, {})
        found.append(_Alternative(text, other))
    return found


def _explanations(
    total: Sum,
    rows: BilledRows,
    costs: Costs,
    own: NDArray[np.int64],
    alternatives: list[_Alternative],
) -> list[str]:
    """Return what explains the difference of a line, empty if there is none."""
    if total.recorded_usd is None or total.agrees or total.difference_usd is None:
        return []
    both = own[np.isfinite(costs.low_usd[own]) & np.isfinite(rows.recorded_usd[own])]
    recorded = rows.recorded_usd[both]
    spent = float(recorded.sum())
    if not spent:
        return ["the source recorded a cost of 0"]
    for way in alternatives:
        low, high = float(way.costs.low_usd[both].sum()), float(way.costs.high_usd[both].sum())
        if low * (1 - TOLERANCE) <= spent <= high * (1 + TOLERANCE):
            return [f"recorded {way.text}"]
    low, high = float(costs.low_usd[both].sum()), float(costs.high_usd[both].sum())
    if not low:
        return ["recorded a cost where the list price is 0"]
    if low < high * (1 - TOLERANCE):
        return [f"recorded {spent / high:.1%} to {spent / low:.1%} of the list price"]
    ratio = recorded / np.maximum(costs.low_usd[both], 1e-300)
    paid = costs.low_usd[both] > 0
    spread = np.ptp(np.quantile(ratio[paid], [0.05, 0.95])) if paid.any() else np.inf
    if spread <= 2 * TOLERANCE:
        return [f"every call is recorded at {spent / low:.4g} times the list price"]
    zero = int((recorded == 0).sum())
    text = f"recorded {spent / low:.1%} of the list price"
    return [text + (f"; {zero:,} of {len(both):,} rows have a cost of 0" if zero else "")]
