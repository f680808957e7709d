"""What one option did: counts, tokens, latencies and costs over the counted requests."""

from collections.abc import Sequence
from dataclasses import dataclass

from simulator.analysis.sampling.precision import Error, Sampling
from simulator.analysis.simulate.sketch import Sketch


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
    ttft_s: Sketch
    tpot_s: Sketch
    e2e_s: Sketch
    """Of completed requests that somebody waits for, TPOT of those with two tokens or more."""
    slo_met: dict[str, float]
    """Share of offered requests within each limit, and within all (``attainment``)."""
    self_hosted_share: float
    """Share of completed tokens that own replicas served."""
    api_usd: dict[str, float]
    """Per month, by bucket."""
    owned_replicas: tuple[float, ...]
    """Mean number of replicas paid for, by fleet."""
    max_replicas: tuple[int, ...]
    """Most of them at one time, by fleet."""
    utilisation: float | None
    """Busy share of replica time; None without replicas."""
    preemptions: int
    restarts: int
    """Of requests, after a replica was lost."""
    attempts: int
    """At endpoints, refused and failed ones included."""
    served_by: dict[str, int]
    """Completed requests by endpoint; those of own replicas are not in here."""
    sampling: Sampling

    @property
    def attainment(self) -> float:
        """Share of offered requests within every limit."""
        return self.slo_met["attainment"]

    @property
    def cached_share(self) -> float:
        """Share of prompt tokens that a cache held."""
        prompt = sum(self.tokens[n] for n in ("uncached_input", "cache_read", "cache_write"))
        return self.tokens["cache_read"] / prompt if prompt else 0.0

    @property
    def tokens_per_month(self) -> float:
        """Prompt and completion tokens of completed requests."""
        return sum(self.tokens.values()) * self.month_factor


def combine_outcomes(parts: Sequence[Outcome], answers: Outcome | None = None) -> Outcome:
    """Return what several options that serve the same users beside one another did.

    Parameters
    ----------
    parts : sequence of Outcome
        Of each, from the same counted spans.
    answers : Outcome, optional
        What users saw, where that is no sum of the parts: one request may be served by several.
    """
    first = parts[0]
    seen = [answers] if answers is not None else list(parts)
    factor = seen[0].month_factor
    tokens = {
        name: round(sum(p.tokens[name] * p.month_factor for p in parts) / factor)
        for name in first.tokens
    }
    weights = [sum(p.tokens.values()) * p.month_factor for p in parts]
    owned = [sum(p.owned_replicas) for p in parts]
    busy = [n * p.utilisation for n, p in zip(owned, parts, strict=True) if p.utilisation]
    usd: dict[str, float] = {}
    for part in parts:
        for bucket, cost in part.api_usd.items():
            usd[bucket] = usd.get(bucket, 0.0) + cost
    served: dict[str, int] = {}
    for part in parts:
        for name, count in part.served_by.items():
            served[name] = served.get(name, 0) + count
    home = sum(w * p.self_hosted_share for w, p in zip(weights, parts, strict=True))
    return Outcome(
        counted_s=first.counted_s,
        month_factor=factor,
        requests={
            name: round(sum(p.requests[name] * p.month_factor for p in seen) / factor)
            for name in first.requests
        },
        tokens=tokens,
        ttft_s=Sketch.joined([p.ttft_s for p in seen]),
        tpot_s=Sketch.joined([p.tpot_s for p in seen]),
        e2e_s=Sketch.joined([p.e2e_s for p in seen]),
        slo_met=_met(seen),
        self_hosted_share=home / sum(weights) if sum(weights) else 0.0,
        api_usd=usd,
        owned_replicas=tuple(n for p in parts for n in p.owned_replicas),
        max_replicas=tuple(n for p in parts for n in p.max_replicas),
        utilisation=sum(busy) / sum(owned) if sum(owned) else None,
        preemptions=sum(p.preemptions for p in parts),
        restarts=sum(p.restarts for p in parts),
        attempts=sum(p.attempts for p in parts),
        served_by=served,
        sampling=_sampling(parts, seen),
    )


def _sampling(parts: Sequence[Outcome], seen: Sequence[Outcome]) -> Sampling:
    """How sure the figures of a sum of parts are."""
    usd = [sum(part.api_usd.values()) for part in parts]
    asked = [part.requests["offered"] * part.month_factor for part in seen]
    first = parts[0].sampling
    return Sampling(
        first.windows,
        min(part.sampling.scale for part in parts),
        first.why_whole,
        Error.total([p.sampling.calls for p in parts], _shares(usd)),
        Error.total([p.sampling.attainment for p in seen], _shares(asked)),
    )


def _shares(amounts: list[float]) -> list[float]:
    total = sum(amounts)
    return [amount / total if total else 0.0 for amount in amounts]


def _met(parts: Sequence[Outcome]) -> dict[str, float]:
    """Share within each limit, weighted by the requests of those for whom it holds."""
    names = {name for part in parts for name in part.slo_met}
    met = {}
    for name in sorted(names):
        having = [p for p in parts if name in p.slo_met]
        weights = [p.requests["offered"] * p.month_factor for p in having]
        shares = [w * p.slo_met[name] for w, p in zip(weights, having, strict=True)]
        met[name] = sum(shares) / sum(weights) if sum(weights) else 1.0
    return met
