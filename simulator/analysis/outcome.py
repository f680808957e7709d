"""What one option did: counts, tokens, latencies and costs over the counted requests."""

from dataclasses import dataclass

from simulator.analysis.sketch import Sketch


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

    @property
    def attainment(self) -> float:
        """Share of offered requests within every limit."""
        return self.slo_met["attainment"]

    @property
    def tokens_per_month(self) -> float:
        """Prompt and completion tokens of completed requests."""
        return sum(self.tokens.values()) * self.month_factor
