"""From ledgers, piece by piece, to an outcome: exact sums, and sketches of latencies."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.sampling.precision import sampling_of
from simulator.analysis.sampling.sample import Sample
from simulator.analysis.simulate.outcome import Outcome
from simulator.analysis.simulate.sketch import Sketch
from simulator.analysis.simulate.sums import LATENCIES, Sums
from simulator.analysis.study.options import ApiOption
from simulator.analysis.study.study import Slo
from simulator.engine.ledger import FleetAccount, Ledger
from simulator.engine.records import layout
from simulator.engine.spec.plan import Endpoint
from simulator.pricing.billing import Usage, bill
from simulator.traffic.spans import span_of
from simulator.units import MONTH_S

Floats = NDArray[np.float64]
Tokens = dict[str, NDArray[np.int64]]
"""Tokens of rows by the way in which they are billed."""


@dataclass(slots=True)
class Tally:
    """Sums over the counted rows of ledgers that come piece by piece, span by span."""

    slo: Slo
    api: ApiOption | None
    """API that owns the plan's endpoints."""
    epoch_s: float
    sample: Sample
    represents: tuple[float, ...] = ()
    """Number of replicas of each fleet that one simulated replica represents."""
    sums: Sums[Floats] = field(init=False)
    """Sums by span. (spans,) each"""
    most: list[int] = field(default_factory=list)
    """Largest number of replicas at one time, by fleet."""
    latencies: dict[str, Sketch] = field(
        default_factory=lambda: {name: Sketch.empty() for name in LATENCIES}
    )

    def __post_init__(self) -> None:
        self.sums = Sums.zeros(len(self.sample.weight))

    def add(self, ledger: Ledger) -> None:
        """Count a piece of a ledger."""
        self.add_answers(ledger)
        self.add_work(ledger)

    def add_answers(self, ledger: Ledger) -> None:
        """Count what users saw: outcomes and latencies."""
        span, sums = self._spans(ledger), self.sums
        sums.offered += self._count(span, span >= 0)
        sums.completed += self._count(span, ledger.outcome == layout.COMPLETED)
        sums.rejected += self._count(span, ledger.outcome == layout.REJECTED)
        sums.timed_out += self._count(span, ledger.outcome == layout.TIMED_OUT)
        sums.in_flight += self._count(span, ledger.outcome == layout.IN_FLIGHT)
        self._add_latencies(ledger, span)

    def add_work(self, ledger: Ledger) -> None:
        """Count the work that was done for users, and its cost."""
        span, sums = self._spans(ledger), self.sums
        sums.attempts += self._sum(span, ledger.attempts)
        sums.restarts += self._sum(span, ledger.restarts)
        sums.preemptions += self._sum(span, ledger.preemptions)
        self._add_tokens(ledger, span)
        self._add_calls(ledger, span)
        self._add_fleets(ledger.fleets)

    def _spans(self, ledger: Ledger) -> NDArray[np.int64]:
        """Return the span of each row's arrival, -1 for rows that do not count. (n_requests,)"""
        at_s = np.where(ledger.offered, ledger.arrival_s, -1.0)
        return span_of(at_s, self.sample.spans_s)

    def _sum(self, span: NDArray[np.int64], values: NDArray) -> Floats:
        """Sum values of rows over the spans in which the rows arrived. (spans,)"""
        inside = span >= 0
        spans = len(self.sample.weight)
        return np.bincount(span[inside], values[inside], minlength=spans).astype(np.float64)

    def _count(self, span: NDArray[np.int64], chosen: NDArray[np.bool_]) -> Floats:
        """Count the chosen rows by span. (spans,)"""
        counts = np.bincount(span[(span >= 0) & chosen], minlength=len(self.sample.weight))
        return counts.astype(np.float64)

    def _add_latencies(self, ledger: Ledger, span: NDArray[np.int64]) -> None:
        sums = self.sums
        # Batch work has no latency that anyone waits for.
        deadline_s = ledger.arrival_s + ledger.table.deadline_s
        deferred = np.isfinite(deadline_s)
        sums.deferred += self._count(span, deferred)
        in_time = ledger.completed & deferred & (ledger.finished_s <= deadline_s)
        sums.in_time += self._count(span, in_time)
        rows = np.flatnonzero((span >= 0) & ledger.completed & ~deferred)
        row_span = span[rows]
        met = np.ones(len(rows), np.bool_)
        for name, values in _latencies(ledger, rows).items():
            known = ~np.isnan(values)
            weight = self.sample.weight[row_span[known]] / self.sample.scale
            self.latencies[name].add(values[known], weight)
            limit = getattr(self.slo, name)
            if limit is not None:
                within = ~(values > limit)  # one token has no TPOT and cannot miss it
                met &= within
                sums.met[name] += self._count(row_span, within)
        sums.met_all += self._count(row_span, met)

    def _add_tokens(self, ledger: Ledger, span: NDArray[np.int64]) -> None:
        rows = np.flatnonzero((span >= 0) & ledger.completed)
        columns = _token_columns(ledger, rows)
        for name, column in columns.items():
            self.sums.tok[name] += self._sum(span[rows], column)
        row_tokens = np.sum(list(columns.values()), axis=0)
        own = ledger.server[rows] == layout.OWN
        self.sums.self_hosted_tok += self._sum(span[rows][own], row_tokens[own])

    def _add_calls(self, ledger: Ledger, span: NDArray[np.int64]) -> None:
        """Count the calls that endpoints served, and price those that are paid."""
        sums, none = self.sums, np.zeros(len(self.sample.weight))
        for index, endpoint in enumerate(self.api.endpoints if self.api else ()):
            done = ledger.completed & (ledger.server == index)
            calls = sums.calls.get(endpoint.name, none)
            sums.calls[endpoint.name] = calls + self._count(span, done)
        for paid in bills(ledger, self.api, span >= 0, self.epoch_s):
            for bucket, cost in paid.usd.items():
                usd = sums.usd.get(bucket, none)
                sums.usd[bucket] = usd + self._sum(span[paid.rows], cost)

    def _add_fleets(self, fleets: tuple[FleetAccount, ...]) -> None:
        sums = self.sums
        for f, account in enumerate(fleets):
            if f == len(self.most):
                self.most.append(0)
                sums.owned_s.append(np.zeros(len(self.sample.weight)))
                sums.busy_s.append(np.zeros(len(self.sample.weight)))
            owned_s = [account.owned_s(*span_s) for span_s in self.sample.spans_s.tolist()]
            sums.owned_s[f] = sums.owned_s[f] + np.array(owned_s)
            sums.busy_s[f] = sums.busy_s[f] + account.busy_between_s
            self.most[f] = max(self.most[f], account.max_replicas)

    def outcome(self) -> Outcome:
        """Return the outcome over the horizon that the sums represent."""
        sample, by_span = self.sample, self.sums
        sums = by_span.mapped(lambda values: float(sample.weight @ values))
        rows = sums.mapped(lambda value: value / sample.scale)
        month_factor = MONTH_S / sample.counted_s
        if rows.offered:
            month_factor = sample.requests_per_month / rows.offered
        all_tokens = sum(sums.tok.values())
        requests = {
            "completed": round(rows.completed),
            "rejected": round(rows.rejected),
            "timed_out": round(rows.timed_out),
            "in_flight": round(rows.in_flight),
        }
        owned_s = sum(sums.owned_s)
        usd = sum(by_span.usd.values(), np.zeros_like(by_span.offered))
        return Outcome(
            counted_s=sample.counted_s,
            month_factor=month_factor,
            requests={"offered": sum(requests.values()), **requests},
            tokens={name: round(value) for name, value in rows.tok.items()},
            **self.latencies,
            slo_met=self._attainment(sums),
            self_hosted_share=sums.self_hosted_tok / all_tokens if all_tokens else 0.0,
            api_usd=self._api_usd(month_factor / sample.scale, sums),
            attempts=round(rows.attempts),
            restarts=round(rows.restarts),
            served_by={name: round(count) for name, count in rows.calls.items()},
            owned_replicas=tuple(
                seconds / sample.counted_s * self.represents[f]
                for f, seconds in enumerate(sums.owned_s)
            ),
            max_replicas=tuple(
                round(most * self.represents[f]) for f, most in enumerate(self.most)
            ),
            utilisation=sum(sums.busy_s) / owned_s if owned_s else None,
            preemptions=round(rows.preemptions),
            sampling=sampling_of(sample, by_span.offered, by_span.met_all + by_span.in_time, usd),
        )

    def _attainment(self, sums: Sums[float]) -> dict[str, float]:
        """Return the share of offered requests within each limit, and within all of theirs."""
        interactive = sums.offered - sums.deferred
        shares = {
            name: sums.met[name] / interactive if interactive else 1.0
            for name in LATENCIES
            if getattr(self.slo, name) is not None
        }
        if sums.deferred:
            shares["deadline"] = sums.in_time / sums.deferred
        met = sums.met_all + sums.in_time
        shares["attainment"] = met / sums.offered if sums.offered else 1.0
        return shares

    def _api_usd(self, factor: float, sums: Sums[float]) -> dict[str, float]:
        """Return the cost of the calls by bucket, and the gateway's fee [USD/month]."""
        usd = {bucket: cost * factor for bucket, cost in sums.usd.items()}
        if self.api is not None and self.api.fee_share:
            calls = sum(sums.calls.values()) * factor
            usd["gateway_fee"] = sum(usd.values()) * self.api.fee(calls)
        return usd


def repriced_usd(
    ledger: Ledger,
    api: ApiOption,
    weight: Floats,
    zero_s: float,
    recounted: Callable[[Tokens], Tokens],
) -> float:
    """Return the cost that rows would have with their tokens counted in another way [USD].

    ``weight`` is how often each row counts. (n_requests,)
    """
    total = 0.0
    for endpoint, rows in _paid(ledger, api, weight > 0):
        tokens = recounted(_token_columns(ledger, rows))
        usage = _usage(ledger, endpoint, rows, tokens, zero_s)
        total += sum(float(weight[rows] @ cost) for cost in bill(endpoint.card, usage).values())
    return total


def calls_usd(
    ledger: Ledger, api: ApiOption, zero_s: float
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Yield the rows that endpoints were paid for, and the cost of each, gateway's fee included.

    ``zero_s`` is the Unix time of the ledger's zero.
    """
    paid_rows = list(bills(ledger, api, ledger.offered, zero_s))
    fee = fee_of(ledger, api, paid_rows)
    for paid in paid_rows:
        cost = sum(paid.usd.values(), np.zeros(len(paid.rows)))
        yield paid.rows, cost * (1 + fee)


@dataclass(frozen=True, slots=True)
class Bill:
    """Cost of the rows that one endpoint was paid for."""

    rows: NDArray[np.int64]
    at_s: Floats
    """Unix time at which each row is priced [s]. (rows,)"""
    usd: dict[str, Floats]
    """Cost by bucket [USD], without the gateway's fee. (rows,) each"""


def fee_of(ledger: Ledger, api: ApiOption, paid: list[Bill]) -> float:
    """Return the gateway's fee as a share of the price of a ledger's calls.

    The number of calls in a month is extrapolated from the ledger.
    """
    calls = sum(len(bill.rows) for bill in paid)
    return api.fee(calls * MONTH_S / ledger.horizon_s)


def bills(
    ledger: Ledger, api: ApiOption | None, counted: NDArray[np.bool_], zero_s: float
) -> Iterator[Bill]:
    """Yield the bill of each endpoint for the counted rows; ``zero_s`` is Unix time."""
    for endpoint, rows in _paid(ledger, api, counted):
        usage = _usage(ledger, endpoint, rows, _token_columns(ledger, rows), zero_s)
        yield Bill(rows, usage.at_s, bill(endpoint.card, usage))


def _paid(
    ledger: Ledger, api: ApiOption | None, counted: NDArray[np.bool_]
) -> Iterator[tuple[Endpoint, NDArray[np.int64]]]:
    """Yield the rows that each endpoint is paid for, if any."""
    # A client that hangs up pays for the tokens streamed until then; an expired batch is free.
    hung_up = (ledger.outcome == layout.TIMED_OUT) & (ledger.usd > 0)
    paid = counted & (ledger.completed | hung_up)
    for index, endpoint in enumerate(api.endpoints if api else ()):
        rows = np.flatnonzero(paid & (ledger.server == index))
        if len(rows):
            yield endpoint, rows


def _latencies(ledger: Ledger, rows: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Return TTFT, TPOT (NaN for a single token) and E2E latency of some rows [s]."""
    ttft_s = (ledger.first_token_s - ledger.arrival_s)[rows]
    e2e_s = (ledger.finished_s - ledger.arrival_s)[rows]
    generated = ledger.completion_tok[rows]
    intervals = np.where(generated > 1, generated - 1, np.nan)
    return {"ttft_s": ttft_s, "tpot_s": (e2e_s - ttft_s) / intervals, "e2e_s": e2e_s}


def _token_columns(ledger: Ledger, rows: NDArray) -> Tokens:
    """Return the tokens of some rows by the way in which they are billed."""
    prompt, read, written, completion, reasoning = (
        column[rows].astype(np.int64)
        for column in (
            ledger.table.input_tokens,
            ledger.cached_tok,
            ledger.written_tok,
            ledger.completion_tok,
            ledger.reasoning_tok,
        )
    )
    return {
        "uncached_input": prompt - read - written,
        "cache_read": read,
        "cache_write": written,
        "output": completion - reasoning,
        "reasoning": reasoning,
    }


def _usage(
    ledger: Ledger,
    endpoint: Endpoint,
    rows: NDArray[np.int64],
    tokens: Tokens,
    zero_s: float,
) -> Usage:
    """Return the billed usage of completed calls at an endpoint; ``zero_s`` is Unix time."""
    columns: dict[str, NDArray] = dict(tokens)
    if endpoint.cache.long:
        columns["cache_write_1h"] = columns.pop("cache_write")
    at_end = endpoint.card.billed_at == "completion"
    moment_s = ledger.finished_s if at_end else ledger.start_s
    return Usage.of(
        moment_s[rows] + zero_s,
        stored_tok_h=ledger.stored_tok_h[rows],
        context=np.full(len(rows), endpoint.context, np.int8),
        content=np.full(len(rows), endpoint.content, np.int8),
        **columns,
    )
