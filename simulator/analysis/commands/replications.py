"""The options as written, repeated under other seeds until their costs are precise enough."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.decide.verdict import OptionResult, simulate_as_written
from simulator.analysis.sampling.statistics import (
    Estimate,
    estimate,
    estimate_difference,
    replicate,
)
from simulator.analysis.study.study import Study
from simulator.callbacks import Tell, ignore_progress
from simulator.rng import stream


@dataclass(frozen=True, slots=True)
class OptionEstimate:
    """Estimates of an option's figures over replications."""

    cost_usd: Estimate
    """Cost [USD/month]."""
    attainment: Estimate
    """Share of requests within all limits."""
    above_cheapest_usd: Estimate
    """Extra cost over the option that is cheapest in the mean, from pairs with common random
    numbers [USD/month]."""


@dataclass(frozen=True, slots=True)
class Replications:
    """Replications of all options."""

    results: tuple[OptionResult, ...]
    """Results of the first replication, under the scenario's own seed."""
    options: dict[str, OptionEstimate]
    """Estimates by option."""
    count: int
    """Number of replications."""
    precision: float
    """Requested half-width of each cost's interval, as a share of its mean."""
    reached: bool
    """Whether every cost's half-width is within the precision."""


def simulate_until(
    study: Study, precision: float, most: int, tell: Tell = ignore_progress
) -> Replications:
    """Repeat ``simulate_as_written`` until every option's cost is precise, or ``most`` times.

    Parameters
    ----------
    study : Study
        The question.
    precision : float
        Largest half-width of a cost's 95 % interval, as a share of its mean.
    most : int
        Largest number of replications.
    tell : callable
        Receives the number of replications after each of them.
    """
    runs: list[tuple[OptionResult, ...]] = []

    def measure(k: int) -> NDArray[np.float64]:
        seed = study.seed if k == 0 else int(stream(study.seed, "replication", k).integers(2**31))
        runs.append(simulate_as_written(replace(study, seed=seed)))
        tell(len(runs))
        return np.array([result.total_usd for result in runs[-1]])

    replicated = replicate(measure, precision, least=min(4, most), most=most)
    attainment = np.array([[r.evaluation.outcome.attainment for r in run] for run in runs])
    cheapest = int(np.argmin(replicated.values.mean(0)))
    options = {
        result.name: OptionEstimate(
            replicated.estimates[k],
            estimate(attainment[:, k]),
            estimate_difference(replicated.values[:, k], replicated.values[:, cheapest]),
        )
        for k, result in enumerate(runs[0])
    }
    return Replications(runs[0], options, len(runs), precision, replicated.reached)
