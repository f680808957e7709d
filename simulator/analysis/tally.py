"""From ledgers, piece by piece, to what an option did: exact sums and sketches of latencies."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.outcome import Outcome, Sampling
from simulator.analysis.sampling import Sample, Slice
from simulator.analysis.sketch import Sketch
from simulator.analysis.statistics import ratio_error
from simulator.analysis.study import ApiOption, Slo
from simulator.engine import layout
from simulator.engine.ledger import FleetAccount, Ledger
from simulator.engine.plan import Endpoint
from simulator.pricing.rates import Usage, bill
from simulator.units import MONTH_S

_LATENCIES = ("ttft_s", "tpot_s", "e2e_s")
_TOKENS = ("uncached_input", "cache_read", "cache_write", "output", "reasoning")
_OUTCOMES = {
    "completed": layout.COMPLETED,
    "rejected": layout.REJECTED,
    "timed_out": layout.TIMED_OUT,
    "in_flight": layout.IN_FLIGHT,
}


Tokens = dict[str, NDArray[np.int64]]
"""Tokens of rows by how they are billed."""

_COUNTED = (
    "offered", *_OUTCOMES, "deferred", "in time", "met all", "attempts", "restarts",
    "home tokens", "lifetime_s", "busy_s", "preemptions",
    *(f"met {name}" for name in _LATENCIES),
    *(f"tok {name}" for name in _TOKENS),
)  # fmt: skip


@dataclass(slots=True)
class Tally:
    """Sums over the counted rows of ledgers that come piece by piece."""

    slo: Slo
    api: ApiOption | None
    """Owner of the plan's endpoints."""
    epoch_s: float
    sums: dict[str, float] = field(default_factory=dict)
    """Counts by outcome, of work with deadlines, of attempts; limits met as ``met ttft_s``, tokens
    as ``tok output``, cost as ``usd input``, calls as ``at NAME``, replica-seconds as ``own 0``."""
    spans: dict[float, dict[str, float]] = field(default_factory=dict)
    """Sums of each slice, by its offset, and how often it counts as ``weight``."""
    span: dict[str, float] = field(default_factory=dict)
    """That of the slice that is being counted."""
    latencies: dict[str, Sketch] = field(
        default_factory=lambda: {name: Sketch.empty() for name in _LATENCIES}
    )

    def add(self, part: Slice, ledger: Ledger) -> None:
        """Count a piece of a slice's ledger."""
        self.add_answers(part, ledger)
        self.add_work(part, ledger)

    def add_answers(self, part: Slice, ledger: Ledger) -> None:
        """Count what users saw: outcomes and latencies."""
        counted = self._begin(part, ledger)
        self._sum("offered", counted.sum())
        for name, code in _OUTCOMES.items():
            self._sum(name, (counted & (ledger.outcome == code)).sum())
        self._add_latencies(ledger, counted, counted & ledger.completed)

    def add_work(self, part: Slice, ledger: Ledger) -> None:
        """Count what was done for them, and what it costs."""
        counted = self._begin(part, ledger)
        done = counted & ledger.completed
        self._sum("attempts", ledger.attempts[counted].sum())
        self._sum("restarts", ledger.restarts[counted].sum())
        self._add_tokens(ledger, done)
        self._add_calls(part, ledger, counted)
        self._add_fleets(part, ledger.fleets)

    def _begin(self, part: Slice, ledger: Ledger) -> NDArray[np.bool_]:
        """Turn to a slice; returns its rows that arrived within the counted span. (n_requests,)"""
        self.span = self.spans.setdefault(part.offset_s, {"weight": part.weight})
        return counted_rows(part, ledger)

    def _sum(self, name: str, value: float) -> None:
        self.span[name] = self.span.get(name, 0.0) + float(value)
        self.sums[name] = self.sums.get(name, 0.0) + self.span["weight"] * float(value)

    def _add_latencies(
        self, ledger: Ledger, counted: NDArray[np.bool_], done: NDArray[np.bool_]
    ) -> None:
        # Work with a deadline has no latency that anyone waits for.
        deadline_s = ledger.arrival_s + ledger.table.deadline_s
        deferred = counted & np.isfinite(deadline_s)
        late_s = ledger.finished_s - deadline_s
        self._sum("deferred", deferred.sum())
        self._sum("in time", (late_s[done & deferred] <= 0).sum())
        latencies = _latencies(ledger, done & ~deferred)
        met = np.ones(len(latencies["ttft_s"]), np.bool_)
        for name, values in latencies.items():
            known = ~np.isnan(values)
            self.latencies[name].add(values[known], int(self.span["weight"]))
            limit = getattr(self.slo, name)
            if limit is not None:
                within = ~(values > limit)  # one token has no TPOT and cannot miss it
                met &= within
                self._sum(f"met {name}", within.sum())
        self._sum("met all", met.sum())

    def _add_tokens(self, ledger: Ledger, done: NDArray[np.bool_]) -> None:
        columns = _token_columns(ledger, done)
        for name, column in columns.items():
            self._sum(f"tok {name}", column.sum())
        row_tokens = np.sum(list(columns.values()), axis=0)
        self._sum("home tokens", row_tokens[ledger.server[done] == layout.FLEET].sum())

    def _add_calls(self, part: Slice, ledger: Ledger, counted: NDArray[np.bool_]) -> None:
        """Count the calls that endpoints served, and price those that are paid."""
        done = counted & ledger.completed
        for place, endpoint in enumerate(self.api.endpoints if self.api else ()):
            self._sum(f"at {endpoint.name}", (done & (ledger.server == place)).sum())
        zero_s = self.epoch_s + part.offset_s
        for endpoint, rows in _paid(ledger, self.api, counted):
            for bucket, cost in _bill(ledger, endpoint, rows, zero_s).items():
                self._sum(f"usd {bucket}", cost.sum())

    def _add_fleets(self, part: Slice, fleets: tuple[FleetAccount, ...]) -> None:
        for place, account in enumerate(fleets):
            self._sum(f"own {place}", account.owned_s(part.count_from_s, part.count_to_s))
            self._sum("lifetime_s", account.owned_s(0.0, part.horizon_s))
            self._sum("busy_s", account.busy_s)
            self._sum("preemptions", account.preemptions)
            most = max(self.sums.get(f"most {place}", 0.0), account.max_replicas)
            self.sums[f"most {place}"] = most

    def outcome(self, sample: Sample) -> Outcome:
        """Return what the sums over all of a sample's slices come to."""
        sums = {name: self.sums.get(name, 0.0) for name in _COUNTED} | self.sums
        month_factor = MONTH_S / sample.counted_s
        if sample.requests_per_month is not None and sums["offered"]:
            month_factor = sample.requests_per_month / sums["offered"]
        tokens = {name[4:]: int(value) for name, value in sums.items() if name[:4] == "tok "}
        all_tokens = sum(tokens.values())
        return Outcome(
            counted_s=sample.counted_s,
            month_factor=month_factor,
            requests={name: int(sums[name]) for name in ("offered", *_OUTCOMES)},
            tokens=tokens,
            **self.latencies,
            slo_met=self._attainment(sums),
            self_hosted_share=sums["home tokens"] / all_tokens if all_tokens else 0.0,
            api_usd=self._api_usd(month_factor),
            attempts=int(sums["attempts"]),
            restarts=int(sums["restarts"]),
            served_by={name[3:]: int(value) for name, value in sums.items() if name[:3] == "at "},
            owned_replicas=tuple(
                value / sample.counted_s for name, value in sums.items() if name[:4] == "own "
            ),
            max_replicas=tuple(int(n) for name, n in sums.items() if name[:5] == "most "),
            utilisation=sums["busy_s"] / sums["lifetime_s"] if sums["lifetime_s"] else None,
            preemptions=int(sums["preemptions"]),
            sampling=self._sampling(),
        )

    def _sampling(self) -> Sampling | None:
        """How far the windows' luck may have taken what they stand for; None of a whole horizon."""
        if len(self.spans) < 2:
            return None
        spans = self.spans.values()
        offered, met, in_time, weight = (
            np.array([span.get(name, 0.0) for span in spans])
            for name in ("offered", "met all", "in time", "weight")
        )
        usd = np.array([sum(v for n, v in span.items() if n[:4] == "usd ") for span in spans])
        return Sampling(
            len(offered),
            ratio_error(usd, offered, weight),
            ratio_error(met + in_time, offered, weight, absolute=True),
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

    def _api_usd(self, month_factor: float) -> dict[str, float]:
        """Cost of the calls by bucket, and the gateway's fee [USD/month]."""
        usd = {n[4:]: cost * month_factor for n, cost in self.sums.items() if n[:4] == "usd "}
        if self.api is not None and self.api.fee_share:
            usd["gateway_fee"] = sum(usd.values()) * self.api.fee_share
        return usd


def counted_rows(part: Slice, ledger: Ledger) -> NDArray[np.bool_]:
    """Whether each row arrived within its slice's counted span. (n_requests,)"""
    arrival_s = ledger.arrival_s
    return ledger.offered & (arrival_s >= part.count_from_s) & (arrival_s < part.count_to_s)


def repriced_usd(
    ledger: Ledger,
    api: ApiOption,
    counted: NDArray[np.bool_],
    zero_s: float,
    recounted: Callable[[Tokens], Tokens],
) -> float:
    """Return what some rows would have cost, had their tokens been counted otherwise."""
    total = 0.0
    for endpoint, rows in _paid(ledger, api, counted):
        tokens = recounted(_token_columns(ledger, rows))
        usage = _usage(ledger, endpoint, rows, tokens, zero_s)
        total += sum(float(cost.sum()) for cost in bill(endpoint.card, usage).values())
    return total


def calls_usd(
    ledger: Ledger, api: ApiOption, zero_s: float
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Yield rows that endpoints were paid for, and what each cost, the gateway's fee included.

    ``zero_s`` is the ledger's zero in Unix time.
    """
    for endpoint, rows in _paid(ledger, api, ledger.offered):
        cost = sum(_bill(ledger, endpoint, rows, zero_s).values(), np.zeros(len(rows)))
        yield rows, cost * (1 + api.fee_share)


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


def _bill(
    ledger: Ledger, endpoint: Endpoint, rows: NDArray[np.int64], zero_s: float
) -> dict[str, NDArray[np.float64]]:
    """Cost of rows by bucket."""
    usage = _usage(ledger, endpoint, rows, _token_columns(ledger, rows), zero_s)
    return bill(endpoint.card, usage)


def _latencies(ledger: Ledger, rows: NDArray[np.bool_]) -> dict[str, NDArray[np.float64]]:
    """TTFT, TPOT (NaN for a single token) and E2E of some rows [s]."""
    ttft_s = (ledger.first_token_s - ledger.arrival_s)[rows]
    e2e_s = (ledger.finished_s - ledger.arrival_s)[rows]
    answered = ledger.output_tok[rows]
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
            ledger.output_tok,
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
