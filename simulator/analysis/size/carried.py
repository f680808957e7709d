"""Capacity curves: the largest volume that each number of replicas serves within the targets.

A curve is measured once for a deployment, at a few numbers of replicas, and used for all volumes
and speeds: capacity per replica changes so little between neighbouring sizes that it is
interpolated linearly in the logarithm of the number of replicas.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from simulator.analysis.sampling.sampler import Sampler
from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.size.fleets import size_fleet
from simulator.analysis.size.judging import (
    CLASS_Z,
    FAST,
    LIKELY,
    SLOW,
    Excuse,
    Sized,
    judge,
    meets,
    speed_at,
)
from simulator.analysis.study.options import SelfHostOption, Size
from simulator.analysis.study.study import Slo, Study
from simulator.bisection import bisect_whole, gallop
from simulator.callbacks import Mapped

STEP_TOLERANCE = 0.03
"""Relative precision of a volume at which another replica is needed."""
NODE_TOLERANCE = 0.1
"""Relative precision of the measured points of a curve; lower, because interpolation evens it
out."""
FIRST_RATIO = 1.5
"""Largest ratio of the second volume tried to the first; the square of it bounds the next, and so
on."""
LARGEST_RATIO = 64.0
"""Largest ratio between two volumes tried in a row."""
STEEP = 12.0
"""Power of the volume with which misses approximately rise."""
ALL_BUT_FEW, MANY = -4.0, 1.5
"""Logarithms of misses over allowed misses, between which this ratio indicates the distance."""
FEWEST_MISSES = 1e-4
"""Smallest share of misses that is distinguished from none."""
ROUNDING = 1e-9
"""Share by which a scaled curve is moved away from today's volume, which it would just meet."""
FURTHEST = 4096.0
"""Ratio to the guess up to which the capacity is searched, above and below."""
NODES = (1, 2, 4, 8, 32, 128, 512, 2048)
"""Numbers of replicas at which a curve is measured: pooling changes little beyond a few."""


@dataclass(frozen=True, slots=True)
class CapacityCurve:
    """Capacity curve of one deployment: the volume that each number of replicas carries."""

    volume_per_replica: dict[int, float]
    """Capacity per replica as a multiple of today's volume, by number of replicas."""
    speeds: tuple[float, float, float]
    """Capacity with slow, likely and fast hardware, relative to likely hardware."""

    def volume(self, replicas: int) -> float:
        """Return the largest volume that a number of replicas of likely hardware carries."""
        counts = sorted(self.volume_per_replica)
        each = np.interp(
            math.log(replicas), np.log(counts), [self.volume_per_replica[n] for n in counts]
        )
        return replicas * float(each)

    def replicas(self, volume: float, speed: int = LIKELY) -> int | None:
        """Return the fewest replicas that carry a volume at a class of speed; None: no number does.

        Found by doubling and bisection, on the assumption that capacity rises with every replica.
        """
        if not self.speeds[speed]:
            return None

        def carries(replicas: int) -> bool:
            return self.volume(replicas) * self.speeds[speed] >= volume

        return bisect_whole(carries, *gallop(carries, 1))

    def scaled_to_today(self, replicas: int) -> "CapacityCurve":
        """Return the curve scaled so that ``replicas`` is the fewest number for today's volume.

        Today's size is settled with a larger sample, which contains more of the peaks.
        """
        factor = 1.0
        if self.volume(replicas) < 1.0:
            factor = (1.0 + ROUNDING) / self.volume(replicas)
        elif replicas > 1 and self.volume(replicas - 1) >= 1.0:
            factor = (1.0 - ROUNDING) / self.volume(replicas - 1)
        return CapacityCurve(
            {n: each * factor for n, each in self.volume_per_replica.items()}, self.speeds
        )


@dataclass(frozen=True, slots=True)
class _Task:
    """One point of a curve to be measured."""

    option: SelfHostOption
    replicas: int
    guess: float
    speed: int = LIKELY


def measure_capacity_curves(
    study: Study,
    sampler: Sampler,
    today: dict[str, tuple[SelfHostOption, int]],
    mapped: Mapped = map,
) -> dict[str, CapacityCurve]:
    """Measure the capacity curves of deployments around the volumes of a study.

    Parameters
    ----------
    study : Study
        The study with the traffic and the targets.
    sampler : Sampler
        Draws the simulated requests.
    today : dict
        Deployments by name, each with the number of replicas that it needs at today's volume.
    mapped : callable
        ``map``, or the map of an executor.
    """
    first = [_Task(option, replicas, 1.0) for option, replicas in today.values()]
    volumes = list(mapped(partial(_measure_capacity, study, sampler), first))
    per_replica = {t.option.name: v / t.replicas for t, v in zip(first, volumes, strict=True) if v}
    tasks = [
        _Task(
            option, replicas, replicas * per_replica[name] * speed_at(option, CLASS_Z[speed]), speed
        )
        for name, (option, needed) in today.items()
        if name in per_replica
        for replicas, speed in _points_to_measure(study, option, needed, per_replica[name])
    ]
    measured = zip(tasks, mapped(partial(_measure_capacity, study, sampler), tasks), strict=True)
    measured_volumes = {(t.option.name, t.replicas, t.speed): volume for t, volume in measured}
    curves = {}
    for name, volume_per_replica in per_replica.items():
        needed = today[name][1]
        nodes = {
            n: v / n
            for (owner, n, s), v in measured_volumes.items()
            if (owner, s) == (name, LIKELY) and v
        }
        likely_volume = volume_per_replica * needed
        slow, fast = (
            measured_volumes.get((name, needed, s), likely_volume) / likely_volume
            for s in (SLOW, FAST)
        )
        curves[name] = CapacityCurve({needed: volume_per_replica, **nodes}, (slow, 1.0, fast))
    return {name: curve.scaled_to_today(today[name][1]) for name, curve in curves.items()}


def _points_to_measure(
    study: Study, option: SelfHostOption, needed: int, volume_per_replica: float
) -> list[tuple[int, int]]:
    """Return the numbers of replicas to measure, and the class of speed of each.

    They cover the volumes of the study; today's number is measured at all speeds.
    """
    least, most = (
        min(study.effort.volumes) / volume_per_replica,
        max(study.effort.volumes) / volume_per_replica,
    )
    inside = [n for n in NODES if least <= n <= most]
    below = [n for n in NODES if n < least][-1:]
    above = [n for n in NODES if n > most][:1]
    nodes = [
        (n, LIKELY)
        for n in (*below, *inside, *above)
        if n != needed and n <= study.effort.max_replicas
    ]
    return nodes + [(needed, s) for s in (SLOW, FAST) if option.speed.low < option.speed.high]


def _measure_capacity(study: Study, sampler: Sampler, task: _Task) -> float:
    """Return the largest volume that a number of replicas carries."""
    size = Size(task.replicas, 0, speed_at(task.option, CLASS_Z[task.speed]))
    return find_largest_volume(
        _miss_ratio_at(study, sampler, task.option, size), task.guess, NODE_TOLERANCE
    )


def _miss_ratio_at(
    study: Study, sampler: Sampler, option: SelfHostOption, size: Size
) -> Callable[[float], float]:
    """Return the function from a volume to the miss ratio of a size."""

    def miss_ratio(volume: float) -> float:
        return log_miss_ratio(Evaluator(study, volume, sampler).evaluate(option, size), study.slo)

    return miss_ratio


def bracket_capacity(study: Study, sampler: Sampler, option: SelfHostOption) -> tuple[float, ...]:
    """Return the largest volume found that an option's stated replicas carry, and the next above.

    Nothing is returned if they carry none of the volumes tried, or all of them.
    """
    assert option.replicas is not None
    excess = _miss_ratio_at(study, sampler, option, Size(option.replicas))
    tried: dict[float, bool] = {}

    def record(volume: float) -> float:
        ratio = excess(volume)
        tried[volume] = ratio <= 0
        return ratio

    find_largest_volume(record, 1.0, STEP_TOLERANCE)
    within = [volume for volume, is_within in tried.items() if is_within]
    beyond = [volume for volume, is_within in tried.items() if not is_within]
    return (max(within), min(beyond)) if within and beyond else ()


def log_miss_ratio(evaluation: Evaluation, slo: Slo) -> float:
    """Return the logarithm of misses over allowed misses, for the limit where it is largest.

    It is at most 0 if the targets are met.
    """
    met = evaluation.outcome.slo_met
    wanted = {"attainment": slo.attainment, **slo.percentiles}
    ratios = [
        max(1 - met.get(name, 1.0), FEWEST_MISSES) / max(1 - share, FEWEST_MISSES)
        for name, share in wanted.items()
    ]
    # If no miss is allowed, fewer misses than FEWEST_MISSES are still too many.
    return math.log(max(ratios)) if meets(evaluation, slo) else max(math.log(max(ratios)), 1e-9)


def find_largest_volume(
    excess: Callable[[float], float],
    guess: float,
    tolerance: float,
    low: float = 0.0,
    high: float = math.inf,
) -> float:
    """Return approximately the largest volume within capacity, with few simulations around a guess.

    Misses are assumed to rise with the volume, their logarithm roughly in proportion to the
    logarithm of the volume. Once one volume within capacity and one beyond it are close together,
    the result is interpolated between them.

    Parameters
    ----------
    excess : callable
        Returns ``log_miss_ratio`` at a volume; above 0, the volume is beyond capacity.
    guess : float
        First volume to try.
    tolerance : float
        Largest relative distance between the two volumes at the end.
    low, high : float
        Volumes that are known to be within and beyond capacity.

    Returns
    -------
    float
        0 if no volume is within capacity.
    """
    log_ratios: dict[float, float] = {}
    volume, factor_limit = guess, FIRST_RATIO
    while not low or high / low > 1 + tolerance:
        log_ratios[volume] = excess(volume)
        if log_ratios[volume] <= 0:
            low = volume
        else:
            high = volume
        if (not low and high < guess / FURTHEST) or low > guess * FURTHEST:
            return low
        if low in log_ratios and high in log_ratios:
            volume = _inside(_crossing(low, high, log_ratios), low, high, tolerance)
        else:
            factor = factor_limit
            if ALL_BUT_FEW < log_ratios[volume] < MANY:
                factor = min(
                    factor_limit, max(math.exp(abs(log_ratios[volume]) / STEEP), 1 + tolerance)
                )
            volume = volume * factor if log_ratios[volume] <= 0 else volume / factor
            volume = volume if low < volume < high else math.sqrt(low * high)
            factor_limit = min(factor_limit**2, LARGEST_RATIO)
    return _crossing(low, high, log_ratios) if low in log_ratios and high in log_ratios else low


def _crossing(low: float, high: float, log_ratios: dict[float, float]) -> float:
    """Return the volume between two at which the line through their miss ratios crosses 0."""
    share = -log_ratios[low] / (log_ratios[high] - log_ratios[low])
    return low * (high / low) ** share


def _inside(volume: float, low: float, high: float, tolerance: float) -> float:
    """Move a volume away from both ends, so that either outcome leaves a small interval."""
    if high / low < (1 + tolerance) ** 2:
        return math.sqrt(low * high)
    edge = 1 + 0.9 * tolerance
    nearer = volume / math.sqrt(edge) if volume**2 > low * high else volume * math.sqrt(edge)
    return min(max(nearer, low * edge), high / edge)


def size_by_curve(
    evaluator: Evaluator, option: SelfHostOption, curve: CapacityCurve
) -> tuple[Sized, ...]:
    """Size a fleet for slow, likely and fast hardware by its capacity curve.

    The likely size is confirmed by a simulation, and raised if the replicas turn out to be too few.
    At other speeds the outcome is taken to be the same with another number of replicas.
    """
    slo, volume = evaluator.study.slo, evaluator.volume
    replicas = min(curve.replicas(volume) or 1, evaluator.study.effort.max_replicas)
    evaluation = evaluator.evaluate(option, Size(replicas))
    if not meets(evaluation, slo):
        evaluation = size_fleet(evaluator, option, start=replicas + 1).evaluation
    likely = judge(evaluator, evaluation)
    sized = []
    for speed, other in enumerate(curve.replicas(volume, s) for s in range(len(curve.speeds))):
        at_most = evaluation.size.replicas if speed > LIKELY else None
        if speed == LIKELY or other == evaluation.size.replicas:
            sized.append(likely)
        elif other is None:
            sized.append(
                Sized(evaluation, Excuse(option.name, "slow hardware cannot meet the targets"))
            )
        else:
            count = min(other, at_most) if at_most else max(other, evaluation.size.replicas)
            sized.append(replace(likely, evaluation=evaluation.with_replicas(count)))
    return tuple(sized)
