"""SLO capacity: the most traffic that a fleet of a given size carries within its targets.

The traffic keeps its shape, so that the busiest hours decide. Volumes are told apart by simulation
under several seeds: as many as it takes until the interval of what is met lies to one side of what
is wanted, or until there is no more telling. Between the largest volume that surely holds and the
smallest that surely does not lies the answer.
"""

from dataclasses import dataclass, replace

import numpy as np

from simulator.analysis.evaluate import Evaluation, Evaluator
from simulator.analysis.judging import margin
from simulator.analysis.planning import Size
from simulator.analysis.sampler import Sampler
from simulator.analysis.sketch import Sketch
from simulator.analysis.statistics import estimate
from simulator.analysis.study import SelfHostOption, Study
from simulator.rng import stream
from simulator.units import MONTH_S

LEAST_SEEDS = 3
MOST_SEEDS = 8
FURTHEST_DOUBLINGS = 12
"""Of the volume, up or down from today's, and of its half: at less there is nothing to serve."""


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
class _Trial:
    """Volumes simulated so far."""

    study: Study
    option: SelfHostOption
    size: Size
    simulations: int = 0

    def holds(self, volume: float) -> tuple[bool, Evaluation]:
        """Whether the targets are met at a volume, and what happened under the first seed."""
        margins: list[float] = []
        first: Evaluation | None = None
        for k in range(MOST_SEEDS):
            seed = self.study.seed
            if k:
                seed = int(stream(seed, "capacity", k).integers(2**31))
            there = replace(self.study, seed=seed)
            evaluator = Evaluator(there, volume, Sampler(there, careful=True))
            found = evaluator.evaluate(self.option, self.size)
            first = first or found
            margins.append(margin(found, self.study.slo))
            self.simulations += 1
            if len(margins) >= LEAST_SEEDS:
                known = estimate(np.array(margins))
                if known.low > 0 or known.high < 0:
                    break
        assert first is not None
        return float(np.mean(margins)) >= 0, first


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
    trial = _Trial(study, option, Size(replicas))
    low, held = _last_that_holds(trial)
    if held is None:
        return _capacity(study, trial, 0.0, low, None, trial.holds(low)[1])
    high = 2 * low
    failed = trial.holds(high)[1]
    while high / low > 1 + precision:
        middle = float(np.sqrt(low * high))
        holds, found = trial.holds(middle)
        if holds:
            low, held = middle, found
        else:
            high, failed = middle, found
    return _capacity(study, trial, low, high, held, failed)


def _last_that_holds(trial: _Trial) -> tuple[float, Evaluation | None]:
    """Largest power of two that holds, from 1 up or down; None with where the search ended."""
    volume, found = 1.0, None
    holds, at = trial.holds(volume)
    step = 2.0 if holds else 0.5
    for _ in range(FURTHEST_DOUBLINGS):
        if holds:
            found = at
            if step < 1:
                return volume, found
        elif found is not None:
            return volume / 2, found
        volume *= step
        holds, at = trial.holds(volume)
    return (volume / 2, found) if found is not None else (volume, None)


def _capacity(
    study: Study,
    trial: _Trial,
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
        option=trial.option.name,
        replicas=trial.size.replicas,
        low=low,
        high=high,
        requests_per_month=mean_per_s * MONTH_S,
        peak_requests_per_s=peak_per_s,
        in_flight=peak_per_s * (e2e_s.mean if e2e_s.size else 0.0),
        binding=min(limits, key=lambda name: met[name]),
        ttft_p95_s=ttft_s.quantile(0.95) if ttft_s.size else None,
        tpot_p95_s=tpot_s.quantile(0.95) if tpot_s.size else None,
        simulations=trial.simulations,
    )
