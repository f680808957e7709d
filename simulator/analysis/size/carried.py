"""What a fleet carries: the largest volume that some number of replicas serves within the SLO.

Measured once for a deployment, at few numbers of replicas, and read off at all volumes and speeds:
the capacity per replica changes so little between neighbouring sizes that it is interpolated
linearly in the logarithm of their number.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

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
    judged,
    meets,
    speed_at,
)
from simulator.analysis.study.options import SelfHostOption, Size
from simulator.analysis.study.study import Slo, Study

STEP_TOLERANCE = 0.03
"""Relative, of a volume at which another replica is needed."""
NODE_TOLERANCE = 0.1
"""The same where the curve is measured: the line between two such volumes tells it well enough."""
FIRST_STEP = 1.5
"""Largest factor of the volume to the second that is tried; its square to the third, and so on."""
LARGEST_STEP = 64.0
STEEP = 12.0
"""Power of the volume with which misses about rise."""
ALL_BUT_FEW, MANY = -4.0, 1.5
"""Logarithms of misses over allowed misses between which that tells how far it is."""
FEWEST_MISSES = 1e-4
"""Share of requests."""
ROUNDING = 1e-9
"""Share of a volume by which a scaled curve is kept off the line that it just meets."""
FURTHEST = 4096.0
"""Times a guess up to which what a fleet carries is looked for."""
NODES = (1, 2, 4, 8, 32, 128, 512, 2048)
"""Numbers of replicas at which it is measured: pooling changes little beyond a few."""


@dataclass(frozen=True, slots=True)
class Carried:
    """Volumes that numbers of replicas of one deployment carry within the SLO."""

    each: dict[int, float]
    """Multiple of today's volume for each replica, by the number of them."""
    speeds: tuple[float, float, float]
    """What slow, likely and fast hardware carries, relative to likely."""

    def volume(self, replicas: int) -> float:
        """Return the largest volume that likely hardware carries."""
        known = sorted(self.each)
        each = np.interp(math.log(replicas), np.log(known), [self.each[n] for n in known])
        return replicas * float(each)

    def replicas(self, volume: float, speed: int = LIKELY) -> int | None:
        """Return the fewest replicas that carry a volume at a class of speed; None: none do."""
        if not self.speeds[speed]:
            return None
        asked = volume / self.speeds[speed]
        high = 1
        while self.volume(high) < asked:
            high *= 2
        low = high // 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.volume(middle) >= asked else (middle, high)
        return high

    def agreeing(self, replicas: int) -> "Carried":
        """Return the curve scaled so that this is the fewest number that carries today's volume.

        Today's size is settled with a larger sample, which sees more of the peaks.
        """
        factor = 1.0
        if self.volume(replicas) < 1.0:
            factor = (1.0 + ROUNDING) / self.volume(replicas)
        elif replicas > 1 and self.volume(replicas - 1) >= 1.0:
            factor = (1.0 - ROUNDING) / self.volume(replicas - 1)
        return Carried({n: each * factor for n, each in self.each.items()}, self.speeds)


@dataclass(frozen=True, slots=True)
class _Task:
    option: SelfHostOption
    replicas: int
    guess: float
    speed: int = LIKELY


def carried(
    study: Study,
    sampler: Sampler,
    today: dict[str, tuple[SelfHostOption, int]],
    mapped: Callable[..., Any] = map,
) -> dict[str, Carried]:
    """Measure what deployments carry around the volumes that a study asks for.

    Parameters
    ----------
    study : Study
        Whose traffic and SLO count.
    sampler : Sampler
        Draws what is simulated.
    today : dict
        Deployments by name, with the replicas that they need at today's volume.
    mapped : callable
        ``map``, or that of an executor.
    """
    first = [_Task(option, replicas, 1.0) for option, replicas in today.values()]
    volumes = list(mapped(partial(_measured, study, sampler), first))
    now = {t.option.name: v / t.replicas for t, v in zip(first, volumes, strict=True) if v}
    more = [
        _Task(option, replicas, replicas * now[name] * speed_at(option, CLASS_Z[speed]), speed)
        for name, (option, needed) in today.items()
        if name in now
        for replicas, speed in _nodes(study, option, needed, now[name])
    ]
    measured = zip(more, mapped(partial(_measured, study, sampler), more), strict=True)
    further = {(t.option.name, t.replicas, t.speed): volume for t, volume in measured}
    found = {}
    for name, each in now.items():
        needed = today[name][1]
        nodes = {n: v / n for (of, n, s), v in further.items() if (of, s) == (name, LIKELY) and v}
        usual = each * needed
        slow, fast = (further.get((name, needed, s), usual) / usual for s in (SLOW, FAST))
        found[name] = Carried({needed: each, **nodes}, (slow, 1.0, fast))
    return {name: curve.agreeing(today[name][1]) for name, curve in found.items()}


def _nodes(study: Study, option: SelfHostOption, needed: int, each: float) -> list[tuple[int, int]]:
    """Numbers of replicas around those that the study's volumes need, and classes of speed."""
    least, most = min(study.effort.volumes) / each, max(study.effort.volumes) / each
    inside = [n for n in NODES if least <= n <= most]
    below = [n for n in NODES if n < least][-1:]
    above = [n for n in NODES if n > most][:1]
    nodes = [
        (n, LIKELY)
        for n in (*below, *inside, *above)
        if n != needed and n <= study.effort.max_replicas
    ]
    return nodes + [(needed, s) for s in (SLOW, FAST) if option.speed.low < option.speed.high]


def _measured(study: Study, sampler: Sampler, task: _Task) -> float:
    size = Size(task.replicas, 0, speed_at(task.option, CLASS_Z[task.speed]))
    return last_that_holds(_misses(study, sampler, task.option, size), task.guess, NODE_TOLERANCE)


def _misses(
    study: Study, sampler: Sampler, option: SelfHostOption, size: Size
) -> Callable[[float], float]:
    """What ``missed`` says of a size at any volume."""

    def excess(volume: float) -> float:
        return missed(Evaluator(study, volume, sampler).evaluate(option, size), study.slo)

    return excess


def beside_the_last(study: Study, sampler: Sampler, option: SelfHostOption) -> tuple[float, ...]:
    """Return two volumes close together, of which an option's given replicas carry the smaller.

    None are returned where they carry none, or all that is looked at.
    """
    assert option.replicas is not None
    excess = _misses(study, sampler, option, Size(option.replicas))
    tried: dict[float, bool] = {}

    def noted(volume: float) -> float:
        found = excess(volume)
        tried[volume] = found <= 0
        return found

    last_that_holds(noted, 1.0, STEP_TOLERANCE)
    held = [volume for volume, holds in tried.items() if holds]
    failed = [volume for volume, holds in tried.items() if not holds]
    return (max(held), min(failed)) if held and failed else ()


def missed(evaluation: Evaluation, slo: Slo) -> float:
    """Return the logarithm of misses over allowed misses, where it is largest: 0 just meets."""
    met = evaluation.outcome.slo_met
    wanted = {"attainment": slo.attainment, **slo.percentiles}
    ratios = [
        max(1 - met.get(name, 1.0), FEWEST_MISSES) / max(1 - share, FEWEST_MISSES)
        for name, share in wanted.items()
    ]
    # Where none may miss, none must.
    return math.log(max(ratios)) if meets(evaluation, slo) else max(math.log(max(ratios)), 1e-9)


def last_that_holds(
    excess: Callable[[float], float],
    guess: float,
    tolerance: float,
    low: float = 0.0,
    high: float = math.inf,
) -> float:
    """Return about the largest volume that holds, with few tries around a guess.

    The logarithm of misses rises about in proportion to that of the volume. When one that holds
    and one that does not are near to one another, the answer is read off the line between them.

    Parameters
    ----------
    excess : callable
        What ``missed`` says at a volume; above 0, it does not hold.
    guess : float
        Where to begin.
    tolerance : float
        Greatest ratio, less 1, of the two.
    low, high : float
        Volumes that are known to hold, and not to.

    Returns
    -------
    float
        0 where nothing holds.
    """
    known: dict[float, float] = {}
    at, step = guess, FIRST_STEP
    while not low or high / low > 1 + tolerance:
        known[at] = excess(at)
        if known[at] <= 0:
            low = at
        else:
            high = at
        if (not low and high < guess / FURTHEST) or low > guess * FURTHEST:
            return low
        if low in known and high in known:
            at = _inside(_crossing(low, high, known), low, high, tolerance)
        else:
            factor = step
            if ALL_BUT_FEW < known[at] < MANY:
                factor = min(step, max(math.exp(abs(known[at]) / STEEP), 1 + tolerance))
            at = at * factor if known[at] <= 0 else at / factor
            at = at if low < at < high else math.sqrt(low * high)
            step = min(step**2, LARGEST_STEP)
    return _crossing(low, high, known) if low in known and high in known else low


def _crossing(low: float, high: float, known: dict[float, float]) -> float:
    """Volume between two at which the line through what is known of them crosses 0."""
    share = -known[low] / (known[high] - known[low])
    return low * (high / low) ** share


def _inside(at: float, low: float, high: float, tolerance: float) -> float:
    """Move a volume off the ends, so that whatever it shows, little is left between them."""
    if high / low < (1 + tolerance) ** 2:
        return math.sqrt(low * high)
    edge = 1 + 0.9 * tolerance
    nearer = at / math.sqrt(edge) if at**2 > low * high else at * math.sqrt(edge)
    return min(max(nearer, low * edge), high / edge)


def size_by_curve(
    evaluator: Evaluator, option: SelfHostOption, curve: Carried
) -> tuple[Sized, ...]:
    """Size a fleet for slow, likely and fast hardware by its capacity curve.

    The likely size is confirmed by a simulation, with more replicas if they turn out to be too few;
    at other speeds the fleet does the same with other numbers of replicas.
    """
    slo, volume = evaluator.study.slo, evaluator.volume
    replicas = min(curve.replicas(volume) or 1, evaluator.study.effort.max_replicas)
    found = evaluator.evaluate(option, Size(replicas))
    if not meets(found, slo):
        found = size_fleet(evaluator, option, start=replicas + 1).evaluation
    likely = judged(evaluator, found)
    sized = []
    for speed, other in enumerate(curve.replicas(volume, s) for s in range(len(curve.speeds))):
        at_most = found.size.replicas if speed > LIKELY else None
        if speed == LIKELY or other == found.size.replicas:
            sized.append(likely)
        elif other is None:
            sized.append(Sized(found, Excuse(option.name, "slow hardware is too slow")))
        else:
            count = min(other, at_most) if at_most else max(other, found.size.replicas)
            sized.append(replace(likely, evaluation=found.with_replicas(count)))
    return tuple(sized)
