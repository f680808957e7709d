"""SLO capacity: the most traffic that a fleet of a given size carries within its targets.

The traffic keeps its shape, so the busiest hours decide. Every volume is simulated under several
seeds, until the confidence interval of attainment lies on one side of the target or a largest
number of seeds is reached. The answer lies between the largest volume that meets the targets and
the smallest that does not.
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
"""Fewest seeds for a volume."""
MOST_SEEDS = 5
"""Most seeds for a volume."""
SLIGHT = 1e-9
"""Smallest distance from zero of an excess, so that its sign always shows the side of the
targets."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """Capacity of a number of replicas."""

    option: str
    """Name of the deployment."""
    replicas: int
    """Number of replicas."""
    low: float
    """Largest volume tried that meets the targets, as a multiple of today's; 0 if none does."""
    high: float
    """Smallest volume tried that misses the targets, as a multiple of today's."""
    requests_per_month: float
    """Requests per month at ``low``."""
    peak_requests_per_s: float
    """Expected request rate in the busiest hour at ``low`` [1/s]."""
    in_flight: float
    """Requests in service at once in the busiest hour at ``low``, by Little's law."""
    binding: str
    """Limit that the fewest requests meet at ``high``."""
    ttft_p95_s: float | None
    """95th percentile of the time to first token at ``low`` [s]."""
    tpot_p95_s: float | None
    """95th percentile of the time per output token at ``low`` [s]."""
    simulations: int
    """Number of simulations."""


@dataclass(slots=True)
class _Trials:
    """Volumes simulated so far, each under several seeds."""

    study: Study
    option: SelfHostOption
    size: Size
    first: dict[float, Evaluation] = field(default_factory=dict)
    """Evaluation of each volume under the first seed."""
    held: list[float] = field(default_factory=list)
    """Volumes that meet the targets."""
    failed: list[float] = field(default_factory=list)
    """Volumes that miss the targets."""
    simulations: int = 0
    _samplers: list[Sampler] = field(default_factory=list)

    def excess(self, volume: float) -> float:
        """Return the mean of ``log_miss_ratio`` at a volume; above 0, the targets are missed."""
        evaluations: list[Evaluation] = []
        for sampler in islice(self._seeds(), MOST_SEEDS):
            evaluator = Evaluator(sampler.study, volume, sampler)
            evaluations.append(evaluator.evaluate(self.option, self.size))
            self.simulations += 1
            if len(evaluations) >= LEAST_SEEDS:
                interval = estimate(np.array([margin(e, self.study.slo) for e in evaluations]))
                if interval.low > 0 or interval.high < 0:
                    break
        self.first[volume] = evaluations[0]
        meets_targets = np.mean([margin(each, self.study.slo) for each in evaluations]) >= 0
        (self.held if meets_targets else self.failed).append(volume)
        excess = float(np.mean([log_miss_ratio(each, self.study.slo) for each in evaluations]))
        return min(excess, -SLIGHT) if meets_targets else max(excess, SLIGHT)

    def _seeds(self) -> Iterator[Sampler]:
        """Yield samplers for the study's seed and for others, each kept for all volumes."""
        for k in count():
            if k == len(self._samplers):
                seed = int(stream(self.study.seed, "capacity", k).integers(2**31))
                study = replace(self.study, seed=seed) if k else self.study
                self._samplers.append(Sampler(study))
            yield self._samplers[k]


def slo_capacity(
    study: Study, option: SelfHostOption, replicas: int, precision: float = 0.02
) -> Capacity:
    """Find the capacity of a fleet.

    Misses are assumed to rise with the volume; see ``find_largest_volume``.

    Parameters
    ----------
    study : Study
        The study with the traffic, which is simulated at other volumes, and the targets.
    option : SelfHostOption
        The deployment.
    replicas : int
        Number of replicas that are always on.
    precision : float
        Largest distance between the two ends of the answer, as a share of it.
    """
    trials = _Trials(study, option, Size(replicas))
    find_largest_volume(trials.excess, 1.0, precision)
    low, high = max(trials.held, default=0.0), min(trials.failed, default=np.inf)
    beyond = trials.first[high if trials.failed else low]
    return _capacity(study, trials, low, high, trials.first.get(low), beyond)


def _capacity(
    study: Study,
    trials: _Trials,
    low: float,
    high: float,
    within: Evaluation | None,
    beyond: Evaluation,
) -> Capacity:
    """Return the capacity from the evaluations at its two ends."""
    mean_per_s = study.traffic.requests_per_s * low
    load = study.traffic.hourly_load()
    peak_per_s = mean_per_s * float(load.max() / load.mean())
    met = beyond.outcome.slo_met
    limits = [name for name in met if name != "attainment"]
    empty = Sketch.empty()
    ttft_s, tpot_s, e2e_s = (
        getattr(within.outcome, name) if within is not None else empty
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
