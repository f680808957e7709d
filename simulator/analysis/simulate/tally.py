"""From ledgers, piece by piece, to what an option did: exact sums and sketches of latencies."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.sampling.precision import sampling_of
from simulator.analysis.sampling.sample import Sample
from simulator.analysis.simulate.outcome import Outcome
from simulator.analysis.simulate.sketch import Sketch
from simulator.analysis.study.options import ApiOption
from simulator.analysis.study.study import Slo
from simulator.engine.ledger import FleetAccount, Ledger
from simulator.engine.records import layout
from simulator.engine.spec.plan import Endpoint
from simulator.pricing.billing import Usage, bill
from simulator.traffic.spans import span_of
from simulator.units import MONTH_S

_LATENCIES = ("ttft_s", "tpot_s", "e2e_s")
_TOKENS = ("uncached_input", "cache_read", "cache_write", "output", "reasoning")
_OUTCOMES = {
    "completed": layout.COMPLETED,
    "rejected": layout.REJECTED,
    "timed_out": layout.TIMED_OUT,
    "in_flight": layout.IN_FLIGHT,
}


Floats = NDArray[np.float64]
Tokens = dict[str, NDArray[np.int64]]
"""Tokens of rows by how they are billed."""

_COUNTED = (
    "offered", *_OUTCOMES, "deferred", "in time", "met all", "attempts", "restarts",
    "home tokens", "preemptions",
    *(f"met {name}" for name in _LATENCIES),
    *(f"tok {name}" for name in _TOKENS),
)  # fmt: skip


@dataclass(slots=True)
class Tally:
    """Sums over the counted rows of ledgers that come piece by piece, span by span."""

    slo: Slo
    api: ApiOption | None
    """Owner of the plan's endpoints."""
    epoch_s: float
    sample: Sample
    stands_for: tuple[float, ...] = ()
    """Replicas of each fleet for every one that is simulated."""
    sums: dict[str, Floats] = field(default_factory=dict)
    """Counts by outcome, of work with deadlines, of attempts; limits met as ``met ttft_s``, tokens
    as ``tok output``, cost as ``usd input``, calls as ``at NAME``, replica-seconds as ``own 0``,
    busy ones as ``busy 0``. (spans,) each"""
    most: list[int] = field(default_factory=list)
    """Most replicas at one time, by fleet."""
    latencies: dict[str, Sketch] = field(
        default_factory=lambda: {name: Sketch.empty() for name in _LATENCIES}
    )

    def add(self, ledger: Ledger) -> None:
        """Count a piece of a ledger."""
        self.add_answers(ledger)
        self.add_work(ledger)

    def add_answers(self, ledger: Ledger) -> None:
        """Count what users saw: outcomes and latencies."""
        place = self._places(ledger)
        self._count("offered", place, place >= 0)
        for name, code in _OUTCOMES.items():
            self._count(name, place, ledger.outcome == code)
        self._add_latencies(ledger, place)

    def add_work(self, ledger: Ledger) -> None:
        """Count what was done for them, and what it costs."""
        place = self._places(ledger)
        self._sum("attempts", place, ledger.attempts)
        self._sum("restarts", place, ledger.restarts)
        self._sum("preemptions", place, ledger.preemptions)
        self._add_tokens(ledger, place)
        self._add_calls(ledger, place)
        self._add_fleets(ledger.fleets)

    def _places(self, ledger: Ledger) -> NDArray[np.int64]:
        """Span in which each row arrived, -1 for none that counts. (n_requests,)"""
        at_s = np.where(ledger.offered, ledger.arrival_s, -1.0)
        return span_of(at_s, self.sample.spans_s)

    def _put(self, name: str, values: Floats) -> None:
        known = self.sums.get(name)
        self.sums[name] = values if known is None else known + values

    def _sum(self, name: str, place: NDArray[np.int64], values: NDArray) -> None:
        """Add values of rows to the spans that they are in."""
        inside = place >= 0
        spans = len(self.sample.weight)
        found = np.bincount(place[inside], values[inside], minlength=spans)
        self._put(name, found.astype(np.float64))

    def _count(self, name: str, place: NDArray[np.int64], chosen: NDArray[np.bool_]) -> None:
        found = np.bincount(place[(place >= 0) & chosen], minlength=len(self.sample.weight))
        self._put(name, found.astype(np.float64))

    def _add_latencies(self, ledger: Ledger, place: NDArray[np.int64]) -> None:
        # Work with a deadline has no latency that anyone waits for.
        deadline_s = ledger.arrival_s + ledger.table.deadline_s
        deferred = np.isfinite(deadline_s)
        self._count("deferred", place, deferred)
        in_time = ledger.completed & deferred & (ledger.finished_s <= deadline_s)
        self._count("in time", place, in_time)
        rows = np.flatnonzero((place >= 0) & ledger.completed & ~deferred)
        latencies = _latencies(ledger, rows)
        at = place[rows]
        met = np.ones(len(rows), np.bool_)
        for name, values in latencies.items():
            known = ~np.isnan(values)
            often = self.sample.weight[at[known]] / self.sample.scale
            self.latencies[name].add(values[known], often)
            limit = getattr(self.slo, name)
            if limit is not None:
                within = ~(values > limit)  # one token has no TPOT and cannot miss it
                met &= within
                self._count(f"met {name}", at, within)
        self._count("met all", at, met)

    def _add_tokens(self, ledger: Ledger, place: NDArray[np.int64]) -> None:
        rows = np.flatnonzero((place >= 0) & ledger.completed)
        columns = _token_columns(ledger, rows)
        for name, column in columns.items():
            self._sum(f"tok {name}", place[rows], column)
        row_tokens = np.sum(list(columns.values()), axis=0)
        at_home = ledger.server[rows] == layout.OWN
        self._sum("home tokens", place[rows][at_home], row_tokens[at_home])

    def _add_calls(self, ledger: Ledger, place: NDArray[np.int64]) -> None:
        """Count the calls that endpoints served, and price those that are paid."""
        for number, endpoint in enumerate(self.api.endpoints if self.api else ()):
            done = ledger.completed & (ledger.server == number)
            self._count(f"at {endpoint.name}", place, done)
        for paid in bills(ledger, self.api, place >= 0, self.epoch_s):
            for bucket, cost in paid.usd.items():
                self._sum(f"usd {bucket}", place[paid.rows], cost)

    def _add_fleets(self, fleets: tuple[FleetAccount, ...]) -> None:
        for number, account in enumerate(fleets):
            owned = [account.owned_s(*span) for span in self.sample.spans_s.tolist()]
            self._put(f"own {number}", np.array(owned))
            self._put(f"busy {number}", account.busy_between_s)
            self.most += [0] * (number + 1 - len(self.most))
            self.most[number] = max(self.most[number], account.max_replicas)

    def outcome(self) -> Outcome:
        """Return what the sums come to."""
        sample, none = self.sample, np.zeros(len(self.sample.weight))
        spans = {name: self.sums.get(name, none) for name in _COUNTED} | self.sums
        sums = {name: float(sample.weight @ values) for name, values in spans.items()}
        rows = {name: value / sample.scale for name, value in sums.items()}
        month_factor = MONTH_S / sample.counted_s
        if rows["offered"]:
            month_factor = sample.requests_per_month / rows["offered"]
        tokens = {name[4:]: round(value) for name, value in rows.items() if name[:4] == "tok "}
        all_tokens = sum(sums[f"tok {name}"] for name in _TOKENS)
        requests = {name: round(rows[name]) for name in _OUTCOMES}
        fleets = range(len(self.most))
        owned_s = sum(sums[f"own {f}"] for f in fleets)
        return Outcome(
            counted_s=sample.counted_s,
            month_factor=month_factor,
            requests={"offered": sum(requests.values()), **requests},
            tokens=tokens,
            **self.latencies,
            slo_met=self._attainment(sums),
            self_hosted_share=sums["home tokens"] / all_tokens if all_tokens else 0.0,
            api_usd=self._api_usd(month_factor / sample.scale, sums),
            attempts=round(rows["attempts"]),
            restarts=round(rows["restarts"]),
            served_by={name[3:]: round(n) for name, n in rows.items() if name[:3] == "at "},
            owned_replicas=tuple(
                sums[f"own {f}"] / sample.counted_s * self.stands_for[f] for f in fleets
            ),
            max_replicas=tuple(round(self.most[f] * self.stands_for[f]) for f in fleets),
            utilisation=sum(sums[f"busy {f}"] for f in fleets) / owned_s if owned_s else None,
            preemptions=round(rows["preemptions"]),
            sampling=sampling_of(sample, spans),
        )

    def _attainment(self, sums: dict[str, float]) -> dict[str, float]:
        """Share of offered requests within each limit, and within all that hold for them."""
        everything, deferred = sums["offered"], sums["deferred"]
        awaited = everything - deferred
        shares = {
            name: sums[f"met {name}"] / awaited if awaited else 1.0
            for name in _LATENCIES
            if getattr(self.slo, name) is not None
        }
        if deferred:
            shares["deadline"] = sums["in time"] / deferred
        met = sums["met all"] + sums["in time"]
        shares["attainment"] = met / everything if everything else 1.0
        return shares

    def _api_usd(self, factor: float, sums: dict[str, float]) -> dict[str, float]:
        """Cost of the calls by bucket, and the gateway's fee [USD/month]."""
        usd = {n[4:]: cost * factor for n, cost in sums.items() if n[:4] == "usd "}
        if self.api is not None and self.api.fee_share:
            calls = sum(number for name, number in sums.items() if name[:3] == "at ") * factor
            usd["gateway_fee"] = sum(usd.values()) * self.api.fee(calls)
        return usd


def repriced_usd(
    ledger: Ledger,
    api: ApiOption,
    weight: Floats,
    zero_s: float,
    recounted: Callable[[Tokens], Tokens],
) -> float:
    """Return what rows would have cost, had their tokens been counted otherwise.

    ``weight`` says how often each row counts. (n_requests,)
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
    """Yield rows that endpoints were paid for, and what each cost, the gateway's fee included.

    ``zero_s`` is the ledger's zero in Unix time.
    """
    found = list(bills(ledger, api, ledger.offered, zero_s))
    fee = fee_of(ledger, api, found)
    for paid in found:
        cost = sum(paid.usd.values(), np.zeros(len(paid.rows)))
        yield paid.rows, cost * (1 + fee)


@dataclass(frozen=True, slots=True)
class Bill:
    """What one endpoint is paid for some rows."""

    rows: NDArray[np.int64]
    at_s: Floats
    """When each is priced [Unix s]. (rows,)"""
    usd: dict[str, Floats]
    """Cost by bucket, a gateway's fee not included. (rows,) each"""


def fee_of(ledger: Ledger, api: ApiOption, paid: list[Bill]) -> float:
    """Return the gateway's fee over the price of a ledger's calls, which stand for a month."""
    calls = sum(len(bill.rows) for bill in paid)
    return api.fee(calls * MONTH_S / ledger.horizon_s)


def bills(
    ledger: Ledger, api: ApiOption | None, counted: NDArray[np.bool_], zero_s: float
) -> Iterator[Bill]:
    """Yield what each endpoint is paid for the counted rows; zero is Unix time."""
    for endpoint, rows in _paid(ledger, api, counted):
        usage = _usage(ledger, endpoint, rows, _token_columns(ledger, rows), zero_s)
        yield Bill(rows, usage.at_s, bill(endpoint.card, usage))


def _paid(
    ledger: Ledger, api: ApiOption | None, counted: NDArray[np.bool_]
) -> Iterator[tuple[Endpoint, NDArray[np.int64]]]:
    """The rows that each endpoint is paid for, where there are any."""
    # Whoever hangs up pays for what was answered until then; an expired batch is free.
    hung_up = (ledger.outcome == layout.TIMED_OUT) & (ledger.usd > 0)
    paid = counted & (ledger.completed | hung_up)
    for place, endpoint in enumerate(api.endpoints if api else ()):
        rows = np.flatnonzero(paid & (ledger.server == place))
        if len(rows):
            yield endpoint, rows


def _latencies(ledger: Ledger, rows: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """TTFT, TPOT (NaN for a single token) and E2E of some rows [s]."""
    ttft_s = (ledger.first_token_s - ledger.arrival_s)[rows]
    e2e_s = (ledger.finished_s - ledger.arrival_s)[rows]
    answered = ledger.completion_tok[rows]
    more = np.where(answered > 1, answered - 1, np.nan)
    return {"ttft_s": ttft_s, "tpot_s": (e2e_s - ttft_s) / more, "e2e_s": e2e_s}


def _token_columns(ledger: Ledger, rows: NDArray) -> Tokens:
    """Tokens of some rows by how they are billed."""
    prompt, read, written, produced, reasoning = (
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
        "output": produced - reasoning,
        "reasoning": reasoning,
    }


def _usage(
    ledger: Ledger,
    endpoint: Endpoint,
    rows: NDArray[np.int64],
    tokens: Tokens,
    zero_s: float,
) -> Usage:
    """Billed usage of completed calls at an endpoint, whose tokens are given; zero is Unix time."""
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
