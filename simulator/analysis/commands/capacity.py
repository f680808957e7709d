"""SLO capacity: the most traffic that a fleet of a given size carries within its targets.

The traffic keeps its shape, so that the busiest hours decide. Volumes are told apart by simulation
under several seeds: as many as it takes until the interval of what is met lies to one side of what
is wanted, or until there is no more telling. Between the largest volume that surely holds and the
smallest that surely does not lies the answer.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count, islice

import numpy as np

from simulator.analysis.sampling.sampler import Sampler
from simulator.analysis.sampling.statistics import estimate
from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.simulate.sketch import Sketch
from simulator.analysis.size.carried import find_largest_volume, log_miss_ratio
from simulator.analysis.size.judging import margin
from simulator.analysis.study.options import SelfHostOption, Size
from simulator.analysis.study.study import Study
from simulator.rng import stream
from simulator.units import MONTH_S

LEAST_SEEDS = 3
MOST_SEEDS = 5
SLIGHT = 1e-9
"""Excess of misses that says on which side of the targets a volume is."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a number of replicas carries."""

    option: str
    replicas: int
    low: float
    """Largest volume tried that holds, as a multiple of today's; 0 if none does."""
    high: float
    """Smallest volume tried that does not."""
    requests_per_month: float
    """At ``low``."""
    peak_requests_per_s: float
    """In the busiest hour, expected, at ``low``."""
    in_flight: float
    """Requests being served at once in the busiest hour, by Little's law, at ``low``."""
    binding: str
    """The limit that fewest requests meet at ``high``."""
    ttft_p95_s: float | None
    """At ``low``."""
    tpot_p95_s: float | None
    simulations: int


@dataclass(slots=True)
class _Trials:
    """Volumes simulated so far, each under a few seeds."""

    study: Study
    option: SelfHostOption
    size: Size
    first: dict[float, Evaluation] = field(default_factory=dict)
    """What happened at each volume under the first seed."""
    held: list[float] = field(default_factory=list)
    failed: list[float] = field(default_factory=list)
    simulations: int = 0
    _samplers: list[Sampler] = field(default_factory=list)

    def excess(self, volume: float) -> float:
        """Return the mean of ``carried.missed`` at a volume; above 0, the targets are missed."""
        found: list[Evaluation] = []
        for sampler in islice(self._seeds(), MOST_SEEDS):
            evaluator = Evaluator(sampler.study, volume, sampler)
            found.append(evaluator.evaluate(self.option, self.size))
            self.simulations += 1
            if len(found) >= LEAST_SEEDS:
                known = estimate(np.array([margin(f, self.study.slo) for f in found]))
                if known.low > 0 or known.high < 0:
                    break
        self.first[volume] = found[0]
        holds = np.mean([margin(each, self.study.slo) for each in found]) >= 0
        (self.held if holds else self.failed).append(volume)
        excess = float(np.mean([log_miss_ratio(each, self.study.slo) for each in found]))
        return min(excess, -SLIGHT) if holds else max(excess, SLIGHT)

    def _seeds(self) -> Iterator[Sampler]:
        """Samplers of the study's seed and of others; each draws once for all volumes."""
        for k in count():
            if k == len(self._samplers):
                seed = int(stream(self.study.seed, "capacity", k).integers(2**31))
                there = replace(self.study, seed=seed) if k else self.study
                self._samplers.append(Sampler(there))
            yield self._samplers[k]


def slo_capacity(
    study: Study, option: SelfHostOption, replicas: int, precision: float = 0.02
) -> Capacity:
    """Find the capacity of a fleet by bisection.

    Parameters
    ----------
    study : Study
        Whose traffic, at other volumes, and whose SLO count.
    option : SelfHostOption
        The deployment.
    replicas : int
        How many of it are always on.
    precision : float
        Largest distance between the ends of the answer, as a share of it.
    """
    trials = _Trials(study, option, Size(replicas))
    find_largest_volume(trials.excess, 1.0, precision)
    low, high = max(trials.held, default=0.0), min(trials.failed, default=np.inf)
    failed = trials.first[high if trials.failed else low]
    return _capacity(study, trials, low, high, trials.first.get(low), failed)


def _capacity(
    study: Study,
    trials: _Trials,
    low: float,
    high: float,
    held: Evaluation | None,
    failed: Evaluation,
) -> Capacity:
    mean_per_s = study.traffic.requests_per_s * low
    load = study.traffic.hourly_load()
    peak_per_s = mean_per_s * float(load.max() / load.mean())
    met = failed.outcome.slo_met
    limits = [name for name in met if name != "attainment"]
    empty = Sketch.empty()
    ttft_s, tpot_s, e2e_s = (
        getattr(held.outcome, name) if held is not None else empty
        for name in ("ttft_s", "tpot_s", "e2e_s")
    )
    return Capacity(
        option=trials.option.name,
        replicas=trials.size.replicas,
        low=low,
        high=high,
        requests_per_month=mean_per_s * MONTH_S,
        peak_requests_per_s=peak_per_s,
        in_flight=peak_per_s * (e2e_s.mean if e2e_s.size else 0.0),
        binding=min(limits, key=lambda name: met[name]),
        ttft_p95_s=ttft_s.quantile(0.95) if ttft_s.size else None,
        tpot_p95_s=tpot_s.quantile(0.95) if tpot_s.size else None,
        simulations=trials.simulations,
    )
