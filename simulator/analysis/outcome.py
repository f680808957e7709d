"""What one option did: counts, tokens, latencies and costs over the counted requests."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.sampling import Sample, Slice
from simulator.analysis.study import ApiOption, Slo
from simulator.engine import layout
from simulator.engine.ledger import Ledger
from simulator.engine.plan import Endpoint
from simulator.pricing.rates import Usage, bill
from simulator.units import MONTH_S


@dataclass(frozen=True, slots=True)
class Outcome:
    """Sums and samples over one or more slices."""

    counted_s: float
    month_factor: float
    """From sums over the counted requests to a month."""
    requests: dict[str, int]
    """offered = completed + rejected + timed_out + in_flight."""
    tokens: dict[str, int]
    """uncached_input, cache_read, cache_write, output (visible), reasoning; of completed ones."""
    ttft_s: NDArray[np.float64]
    tpot_s: NDArray[np.float64]
    e2e_s: NDArray[np.float64]
    """Of completed requests, TPOT of those with two tokens or more."""
    slo_met: dict[str, float]
    """Share of offered requests within each limit, and within all (``attainment``)."""
    self_hosted_share: float
    """Share of completed tokens that own replicas served."""
    api_usd: dict[str, float]
    """Per month, by bucket."""
    owned_replicas: float
    """Mean number of replicas paid for."""
    max_replicas: int
    utilisation: float | None
    """Busy share of replica time; None without replicas."""
    preemptions: int
    attempts: int
    """At endpoints, refused and failed ones included."""
    served_by: dict[str, int]
    """Completed requests by endpoint; those of own replicas are not in here."""

    @property
    def attainment(self) -> float:
        """Share of offered requests within every limit."""
        return self.slo_met["attainment"]

    @property
    def tokens_per_month(self) -> float:
        """Prompt and completion tokens of completed requests."""
        return sum(self.tokens.values()) * self.month_factor


def measure(
    sample: Sample,
    ledgers: list[Ledger],
    slo: Slo,
    api: ApiOption | None,
    epoch_s: float,
) -> Outcome:
    """Reduce the ledgers of a sample's slices; ``api`` owns the plan's endpoints."""
    slices = sample.slices
    parts = [_Part(s, ledger) for s, ledger in zip(slices, ledgers, strict=True)]
    offered = sum(p.offered for p in parts)
    month_factor = MONTH_S / sample.counted_s
    if sample.requests_per_month is not None and offered:
        month_factor = sample.requests_per_month / offered
    latencies = {
        name: np.concatenate([p.latencies[name] for p in parts]) for name in parts[0].latencies
    }
    own, all_tokens = sum(p.own_tokens for p in parts), sum(p.all_tokens for p in parts)
    fleets = [(s, f) for s, ledger in zip(slices, ledgers, strict=True) for f in ledger.fleets]
    owned_s = sum(f.owned_s(s.count_from_s, s.count_to_s) for s, f in fleets)
    lifetime_s = sum(f.owned_s(0.0, s.horizon_s) for s, f in fleets)
    return Outcome(
        counted_s=sample.counted_s,
        month_factor=month_factor,
        requests={
            "offered": offered,
            "completed": sum(p.count(layout.COMPLETED) for p in parts),
            "rejected": sum(p.count(layout.REJECTED) for p in parts),
            "timed_out": sum(p.count(layout.TIMED_OUT) for p in parts),
            "in_flight": sum(p.count(layout.IN_FLIGHT) for p in parts),
        },
        tokens={name: sum(p.tokens[name] for p in parts) for name in parts[0].tokens},
        ttft_s=latencies["ttft_s"],
        tpot_s=latencies["tpot_s"][~np.isnan(latencies["tpot_s"])],
        e2e_s=latencies["e2e_s"],
        slo_met=_attainment(slo, parts, latencies),
        self_hosted_share=own / all_tokens if all_tokens else 0.0,
        api_usd=_api_usd(parts, api, epoch_s, month_factor) if api else {},
        attempts=sum(p.attempts for p in parts),
        served_by=_served_by(parts, api.endpoints if api else ()),
        owned_replicas=owned_s / sample.counted_s,
        max_replicas=max(
            (sum(f.max_replicas for f in ledger.fleets) for ledger in ledgers), default=0
        ),
        utilisation=sum(f.busy_s for _, f in fleets) / lifetime_s if lifetime_s else None,
        preemptions=sum(f.preemptions for _, f in fleets),
    )


class _Part:
    """Counted rows of one slice."""

    def __init__(self, part: Slice, ledger: Ledger) -> None:
        self.slice = part
        self.ledger = ledger
        self.counted = (
            ledger.offered
            & (ledger.arrival_s >= part.count_from_s)
            & (ledger.arrival_s < part.count_to_s)
        )
        self.offered = int(self.counted.sum())
        self.done = self.counted & ledger.completed
        # Work with a deadline has no latency that anyone waits for.
        deferred = self.counted & np.isfinite(ledger.table.deadline_s)
        self.deferred = int(deferred.sum())
        late_s = ledger.finished_s - ledger.arrival_s - ledger.table.deadline_s
        self.in_time = int((late_s[self.done & deferred] <= 0).sum())
        self.latencies = _latencies(ledger, self.done & ~deferred)
        self.attempts = int(ledger.attempts[self.counted].sum())
        self.stored_tok_h = ledger.stored_tok_h[self.done]
        self.columns = _token_columns(ledger, self.done)
        self.tokens = {name: int(column.sum()) for name, column in self.columns.items()}
        self.server = ledger.server[self.done]
        row_tokens = np.sum(list(self.columns.values()), axis=0)
        self.all_tokens = int(row_tokens.sum())
        self.own_tokens = int(row_tokens[self.server == layout.FLEET].sum())

    def count(self, outcome: int) -> int:
        return int((self.counted & (self.ledger.outcome == outcome)).sum())


def _latencies(ledger: Ledger, rows: NDArray[np.bool_]) -> dict[str, NDArray[np.float64]]:
    """TTFT, TPOT (NaN for a single token) and E2E of some rows [s]."""
    ttft_s = (ledger.first_token_s - ledger.arrival_s)[rows]
    e2e_s = (ledger.finished_s - ledger.arrival_s)[rows]
    answered = ledger.output_tok[rows]
    more = np.where(answered > 1, answered - 1, np.nan)
    return {"ttft_s": ttft_s, "tpot_s": (e2e_s - ttft_s) / more, "e2e_s": e2e_s}


def _token_columns(ledger: Ledger, rows: NDArray[np.bool_]) -> dict[str, NDArray[np.int64]]:
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


def _attainment(
    slo: Slo, parts: list[_Part], latencies: dict[str, NDArray[np.float64]]
) -> dict[str, float]:
    """Share of offered requests within each limit, and within all that hold for them."""
    deferred, in_time = sum(p.deferred for p in parts), sum(p.in_time for p in parts)
    everything = sum(p.offered for p in parts)
    awaited = everything - deferred
    met = np.ones(len(latencies["ttft_s"]), np.bool_)
    shares = {}
    for name, values in latencies.items():
        limit = getattr(slo, name)
        if limit is None:
            continue
        within = ~(values > limit)  # one token has no TPOT and cannot miss it
        met &= within
        shares[name] = float(within.sum() / awaited) if awaited else 1.0
    if deferred:
        shares["deadline"] = in_time / deferred
    shares["attainment"] = float((met.sum() + in_time) / everything) if everything else 1.0
    return shares


def _served_by(parts: list[_Part], endpoints: tuple[Endpoint, ...]) -> dict[str, int]:
    served: dict[str, int] = {}
    for place, endpoint in enumerate(endpoints):
        count = sum(int((part.server == place).sum()) for part in parts)
        served[endpoint.name] = served.get(endpoint.name, 0) + count
    return served


def _api_usd(
    parts: list[_Part], api: ApiOption, epoch_s: float, month_factor: float
) -> dict[str, float]:
    usd: dict[str, float] = {}
    for place, endpoint in enumerate(api.endpoints):
        for part in parts:
            at = part.server == place
            if not at.any():
                continue
            for bucket, cost in bill(endpoint.card, _usage(part, endpoint, at, epoch_s)).items():
                usd[bucket] = usd.get(bucket, 0.0) + float(cost.sum()) * month_factor
    if api.fee_share:
        usd["gateway_fee"] = sum(usd.values()) * api.fee_share
    return usd


def _usage(part: _Part, endpoint: Endpoint, at: NDArray[np.bool_], epoch_s: float) -> Usage:
    """Billed usage of the completed calls ``at`` an endpoint."""
    columns: dict[str, NDArray] = {name: column[at] for name, column in part.columns.items()}
    if endpoint.cache.long:
        columns["cache_write_1h"] = columns.pop("cache_write")
    at_end = endpoint.card.billed_at == "completion"
    moment_s = part.ledger.finished_s if at_end else part.ledger.start_s
    count = int(at.sum())
    return Usage.of(
        moment_s[part.done][at] + part.slice.offset_s + epoch_s,
        stored_tok_h=part.stored_tok_h[at],
        context=np.full(count, endpoint.context, np.int8),
        content=np.full(count, endpoint.content, np.int8),
        **columns,
    )
