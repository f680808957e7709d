"""How a hybrid splits traffic best: replicas of its own, and how many requests make it spill.

The cost is convex in the number of replicas where requests spill by load alone. A split that does
not pay leaves everything to the cheaper of its two sides.
"""

from collections.abc import Callable
from dataclasses import replace

from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.size.fleets import size_fleet
from simulator.analysis.size.judging import Sized, judged, margin, meets, speed_at
from simulator.analysis.study.options import HybridOption, Size
from simulator.economics.screening import Technology, best_replicas
from simulator.units import MONTH_HOURS, MONTH_S

FINEST, SETTLED_FINEST = 8, 32
"""Spill thresholds are told apart to an eighth of themselves, and finer where one is settled."""
SLIGHT = 1e-3
"""Share of a cost that is too little to look for."""
NEAR = 0.15
"""Share of the misses that are allowed, and not made, that is too little for a rough search."""
FAR = 3.0
"""Times the misses that are allowed, from which a threshold is taken to be far too large."""
FINEST_STEP = 32
"""Of more replicas, this share of them is one step of the search around a known split."""


def size_hybrid(
    evaluator: Evaluator, option: HybridOption, speed_z: float, start: int, most: int | None
) -> Sized:
    """Climb from a first guess of the base to where no replica more or less is cheaper."""
    speed = speed_at(option, speed_z)
    if option.replicas is not None:
        return judged(evaluator, _largest_spill(evaluator, option, option.replicas, speed))
    alone = size_fleet(evaluator, option.base, speed_z, start, most)
    calls = evaluator.evaluate(option.overflow, Size())
    # Where no number of replicas is fast enough, a base that carries little may do.
    largest = max(1, alone.evaluation.size.replicas)
    replicas = _first_guess(evaluator, option, largest, calls) if alone.feasible else 1
    best = _largest_spill(evaluator, option, replicas, speed)
    for step in (-1, 1):
        while 1 <= replicas + step <= largest:
            candidate = _largest_spill(evaluator, option, replicas + step, speed, best)
            if not _better(evaluator, candidate, best):
                break
            replicas, best = replicas + step, candidate
    return _or_a_side(evaluator, option, best, (calls, alone.evaluation))


def split_near(
    evaluator: Evaluator,
    option: HybridOption,
    near: Size,
    alone: Evaluation | None,
    finest: int = FINEST,
) -> Sized:
    """Find the best split around one that is known from elsewhere.

    Parameters
    ----------
    evaluator : Evaluator
        The study at one volume.
    option : HybridOption
        Whose split is looked for.
    near : Size
        The split of another volume, another speed or a smaller sample, and the speed here.
    alone : Evaluation, optional
        The base at the size with which it does without the overflow.
    finest : int
        Share of a spill threshold down to which it is told apart from its neighbours: one over it.
    """

    def at(replicas: int, in_flight: int) -> Evaluation:
        return evaluator.evaluate(option, Size(replicas, in_flight, near.speed))

    replicas = option.replicas or near.replicas
    best = _spill_near(evaluator, option, replace(near, replicas=replicas), finest)
    if option.replicas is not None:
        return judged(evaluator, best)
    step = max(1, replicas // FINEST_STEP)
    for way in (-step, step):
        # The threshold hardly depends on how many replicas share the traffic.
        while best.size.replicas + way >= 1 and _may_pay(evaluator, option, best, way):
            trial = at(best.size.replicas + way, best.size.spill_in_flight)
            if not _better(evaluator, trial, best):
                break
            best = trial
    if best.size.replicas != replicas:
        best = _spill_near(evaluator, option, best.size, finest)
    calls = evaluator.evaluate(option.overflow, Size())
    return _or_a_side(evaluator, option, best, (calls,) if alone is None else (calls, alone))


def _may_pay(evaluator: Evaluator, option: HybridOption, best: Evaluation, more: int) -> bool:
    """Whether some more replicas could save what they cost, if not a request spilled any more."""
    if not meets(best, evaluator.study.slo):
        return True
    return more * option.base.replica_usd_per_hour * MONTH_HOURS < _spilled_usd(best)


def _spilled_usd(evaluation: Evaluation) -> float:
    """What the requests cost that spill [USD/month]."""
    return sum(evaluation.outcome.api_usd.values())


def _or_a_side(
    evaluator: Evaluator, option: HybridOption, split: Evaluation, sides: tuple[Evaluation, ...]
) -> Sized:
    """Leave everything to a side that is no worse than the best split."""
    best = split
    for side in sides:
        if not _better(evaluator, best, side):
            calls = side.calls_per_request
            best = Evaluation(
                option, side.size, side.outcome, side.evaluator, (side,), calls_per_request=calls
            )
    return replace(judged(evaluator, best), split=split)


def _first_guess(
    evaluator: Evaluator, option: HybridOption, largest: int, calls: Evaluation
) -> int:
    """Replicas that would be cheapest if load were all that counts.

    ``largest`` replicas carry the busiest hour; what n of them leave of the load-duration curve is
    bought at the API's mean price.
    """
    load_per_s = evaluator.study.traffic.hourly_load()
    replica_per_s = float(load_per_s.max()) / largest
    replica = Technology(option.base.replica_usd_per_hour / replica_per_s, 0.0)
    unit_usd = sum(calls.calls_usd.values()) / (float(load_per_s.mean()) * MONTH_S)
    found = best_replicas(load_per_s, replica_per_s, replica, Technology(0.0, unit_usd))
    return max(1, found.replicas)


def _better(evaluator: Evaluator, candidate: Evaluation, best: Evaluation) -> bool:
    """Whether a candidate is cheaper, or comes nearer to the SLO where the best misses it."""
    slo, study = evaluator.study.slo, evaluator.study
    if meets(candidate, slo) != meets(best, slo):
        return meets(candidate, slo)
    if meets(best, slo):
        return candidate.total_usd(study) < best.total_usd(study)
    return margin(candidate, slo) > margin(best, slo)


def _spill_near(evaluator: Evaluator, option: HybridOption, near: Size, finest: int) -> Evaluation:
    """Largest spill threshold around a known one at which the SLO holds and spilling less pays."""

    def at(in_flight: int) -> Evaluation:
        return evaluator.evaluate(option, replace(near, spill_in_flight=in_flight))

    if option.spill_in_flight is not None:
        return at(option.spill_in_flight)
    study, slo = evaluator.study, evaluator.study.slo
    best, step = near.spill_in_flight, max(1, near.spill_in_flight // FINEST)
    if meets(at(best), slo):
        spills = best + step
        if finest <= FINEST and margin(at(best), slo) < NEAR * (1 - slo.attainment):
            return at(best)
        while (usd := at(best).total_usd(study)) * SLIGHT < _spilled_usd(at(best)):
            if not meets(at(spills), slo):
                break
            if at(spills).total_usd(study) >= usd * (1 - SLIGHT):
                return at(best)
            step *= 2
            best, spills = spills, spills + step
        else:
            return at(best)
    else:
        spills = best
        while best > 1 and not meets(at(best), slo):
            spills = best
            if margin(at(best), slo) < -FAR * (1 - slo.attainment):
                best //= 2
            else:
                best, step = max(1, best - step), 2 * step
    return at(_told_apart(evaluator, at, best, spills, finest))


def _told_apart(
    evaluator: Evaluator,
    at: Callable[[int], Evaluation],
    best: int,
    spills: int,
    finest: int,
    rival: Evaluation | None = None,
) -> int:
    """Narrow the distance between a threshold that holds and one that does not.

    The search stops early when the latter, which spills less, costs more than a rival that meets
    the SLO.
    """
    study, slo = evaluator.study, evaluator.study.slo
    beaten = rival is not None and meets(rival, slo)
    halves = False
    while spills - best > max(1, best // finest) and meets(at(best), slo):
        if beaten and rival is not None and at(spills).total_usd(study) >= rival.total_usd(study):
            break
        # A straight line through the margins tells where to look; every other time, the middle.
        gains = margin(at(best), slo), margin(at(spills), slo)
        share = 0.5 if halves else gains[0] / max(gains[0] - gains[1], 1e-9)
        halves = not halves
        edge = max(1, best // (2 * finest))
        middle = min(max(round(best + share * (spills - best)), best + edge), spills - edge)
        if meets(at(middle), slo):
            best = middle
        else:
            spills = middle
    return best


def _largest_spill(
    evaluator: Evaluator,
    option: HybridOption,
    replicas: int,
    speed: float,
    rival: Evaluation | None = None,
) -> Evaluation:
    """Largest spill threshold at which the SLO holds: it spills the least.

    By powers of two, then finer. Where all that the replicas take at once holds, longer queues are
    tried while they are cheaper.
    """

    def at(in_flight: int) -> Evaluation:
        return evaluator.evaluate(option, Size(replicas, in_flight, speed))

    if option.spill_in_flight is not None:
        return at(option.spill_in_flight)
    study, slo = evaluator.study, evaluator.study.slo
    low, high = 0, (option.base.fleet.max_sequences - 1).bit_length()
    if meets(at(2**high), slo):
        low = high
        if _spilled_usd(at(2**low)) <= SLIGHT * at(2**low).total_usd(study):
            return at(2**low)
        while meets(at(2 ** (low + 1)), slo):
            if at(2 ** (low + 1)).total_usd(study) >= at(2**low).total_usd(study):
                return at(2**low)
            low += 1
        high = low + 1
    while high - low > 1:
        middle = (low + high) // 2
        if meets(at(2**middle), slo):
            low = middle
        else:
            high = middle
    return at(_told_apart(evaluator, at, 2**low, 2**high, FINEST, rival))
