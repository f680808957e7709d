"""The best split of a hybrid: the number of own replicas, and the load at which requests overflow.

Cost is convex in the number of replicas if requests overflow by load alone. If no split is cheaper,
the cheaper of the two sides takes all requests.
"""

from collections.abc import Callable
from dataclasses import replace

from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.size.fleets import size_fleet
from simulator.analysis.size.judging import Sized, judge, margin, meets, speed_at
from simulator.analysis.study.options import HybridOption, Size
from simulator.bisection import bisect_whole
from simulator.economics.screening import Technology, best_replicas
from simulator.units import MONTH_HOURS, MONTH_S

FINEST, SETTLED_FINEST = 8, 32
"""Resolutions of the overflow threshold, as its divisors: an eighth, and finer when a size is
settled."""
SLIGHT = 1e-3
"""Share of a cost below which savings are not worth a simulation."""
NEAR = 0.15
"""Share of the allowed misses that is unused, below which a rough search does not raise the
threshold."""
FAR = 3.0
"""Multiple of the allowed misses from which a threshold is considered far too large."""
FINEST_STEP = 32
"""Divisor of a large number of replicas that gives the step of the search around a known split."""


def size_hybrid(
    evaluator: Evaluator, option: HybridOption, speed_z: float, start: int, most: int | None
) -> Sized:
    """Search from a first guess of the base until one replica more or less is not cheaper."""
    speed = speed_at(option, speed_z)
    if option.replicas is not None:
        return judge(evaluator, _largest_threshold(evaluator, option, option.replicas, speed))
    base_alone = size_fleet(evaluator, option.base, speed_z, start, most)
    calls = evaluator.evaluate(option.overflow, Size())
    # If no number of replicas alone is fast enough, a small base may still help.
    largest = max(1, base_alone.evaluation.size.replicas)
    replicas = _first_guess(evaluator, option, largest, calls) if base_alone.feasible else 1
    best = _largest_threshold(evaluator, option, replicas, speed)
    for step in (-1, 1):
        while 1 <= replicas + step <= largest:
            candidate = _largest_threshold(evaluator, option, replicas + step, speed, best)
            if not _better(evaluator, candidate, best):
                break
            replicas, best = replicas + step, candidate
    return _split_or_side(evaluator, option, best, (calls, base_alone.evaluation))


def split_near(
    evaluator: Evaluator,
    option: HybridOption,
    near: Size,
    alone: Evaluation | None,
    finest: int = FINEST,
) -> Sized:
    """Find the best split near a known one.

    Parameters
    ----------
    evaluator : Evaluator
        The study at one volume.
    option : HybridOption
        The hybrid to split.
    near : Size
        The split at another volume, at another speed or by a smaller sample, with the speed here.
    alone : Evaluation, optional
        The base at the size with which it needs no overflow.
    finest : int
        Resolution of the overflow threshold, as its divisor.
    """

    def evaluate_at(replicas: int, in_flight: int) -> Evaluation:
        return evaluator.evaluate(option, Size(replicas, in_flight, near.speed))

    replicas = option.replicas or near.replicas
    best = _largest_threshold_near(evaluator, option, replace(near, replicas=replicas), finest)
    if option.replicas is not None:
        return judge(evaluator, best)
    step = max(1, replicas // FINEST_STEP)
    for change in (-step, step):
        # The threshold hardly depends on how many replicas share the traffic.
        while best.size.replicas + change >= 1 and _could_pay(evaluator, option, best, change):
            trial = evaluate_at(best.size.replicas + change, best.size.spill_in_flight)
            if not _better(evaluator, trial, best):
                break
            best = trial
    if best.size.replicas != replicas:
        best = _largest_threshold_near(evaluator, option, best.size, finest)
    calls = evaluator.evaluate(option.overflow, Size())
    return _split_or_side(evaluator, option, best, (calls,) if alone is None else (calls, alone))


def _could_pay(evaluator: Evaluator, option: HybridOption, best: Evaluation, more: int) -> bool:
    """Return whether more replicas could pay even if they prevented all overflow."""
    if not meets(best, evaluator.study.slo):
        return True
    return more * option.base.replica_usd_per_hour * MONTH_HOURS < _overflow_usd(best)


def _overflow_usd(evaluation: Evaluation) -> float:
    """Return the cost of the requests that overflow [USD/month]."""
    return sum(evaluation.outcome.api_usd.values())


def _split_or_side(
    evaluator: Evaluator, option: HybridOption, split: Evaluation, sides: tuple[Evaluation, ...]
) -> Sized:
    """Return the best split, or a side alone if the split is not better."""
    best = split
    for side in sides:
        if not _better(evaluator, best, side):
            calls = side.calls_per_request
            best = Evaluation(
                option, side.size, side.outcome, side.evaluator, (side,), calls_per_request=calls
            )
    return replace(judge(evaluator, best), split=split)


def _first_guess(
    evaluator: Evaluator, option: HybridOption, largest: int, calls: Evaluation
) -> int:
    """Return the number of replicas that would be cheapest if only load mattered.

    ``largest`` replicas carry the busiest hour; the part of the load-duration curve above n
    replicas is bought at the API's mean price.
    """
    load_per_s = evaluator.study.traffic.hourly_load()
    replica_per_s = float(load_per_s.max()) / largest
    replica = Technology(option.base.replica_usd_per_hour / replica_per_s, 0.0)
    unit_usd = sum(calls.calls_usd.values()) / (float(load_per_s.mean()) * MONTH_S)
    cheapest = best_replicas(load_per_s, replica_per_s, replica, Technology(0.0, unit_usd))
    return max(1, cheapest.replicas)


def _better(evaluator: Evaluator, candidate: Evaluation, best: Evaluation) -> bool:
    """Return whether a candidate is cheaper, or closer to the targets if the best misses them."""
    slo, study = evaluator.study.slo, evaluator.study
    if meets(candidate, slo) != meets(best, slo):
        return meets(candidate, slo)
    if meets(best, slo):
        return candidate.total_usd(study) < best.total_usd(study)
    return margin(candidate, slo) > margin(best, slo)


def _largest_threshold_near(
    evaluator: Evaluator, option: HybridOption, near: Size, finest: int
) -> Evaluation:
    """Return the largest overflow threshold near a known one that meets the targets and still pays.

    Attainment is assumed to fall as the threshold rises, so steps that double find an interval.
    """

    def evaluate_at(in_flight: int) -> Evaluation:
        return evaluator.evaluate(option, replace(near, spill_in_flight=in_flight))

    if option.spill_in_flight is not None:
        return evaluate_at(option.spill_in_flight)
    study, slo = evaluator.study, evaluator.study.slo
    best, step = near.spill_in_flight, max(1, near.spill_in_flight // FINEST)
    if meets(evaluate_at(best), slo):
        too_large = best + step
        if finest <= FINEST and margin(evaluate_at(best), slo) < NEAR * (1 - slo.attainment):
            return evaluate_at(best)
        while (usd := evaluate_at(best).total_usd(study)) * SLIGHT < _overflow_usd(
            evaluate_at(best)
        ):
            if not meets(evaluate_at(too_large), slo):
                break
            if evaluate_at(too_large).total_usd(study) >= usd * (1 - SLIGHT):
                return evaluate_at(best)
            step *= 2
            best, too_large = too_large, too_large + step
        else:
            return evaluate_at(best)
    else:
        too_large = best
        while best > 1 and not meets(evaluate_at(best), slo):
            too_large = best
            if margin(evaluate_at(best), slo) < -FAR * (1 - slo.attainment):
                best //= 2
            else:
                best, step = max(1, best - step), 2 * step
    return evaluate_at(_narrow_threshold(evaluator, evaluate_at, best, too_large, finest))


def _narrow_threshold(
    evaluator: Evaluator,
    evaluate_at: Callable[[int], Evaluation],
    best: int,
    too_large: int,
    finest: int,
    rival: Evaluation | None = None,
) -> int:
    """Narrow the interval between a threshold that meets the targets and a larger one that fails.

    Attainment is assumed to fall as the threshold rises. The search stops early when even the
    larger threshold, which overflows less, costs more than a rival that meets the targets.
    """
    study, slo = evaluator.study, evaluator.study.slo
    beaten = rival is not None and meets(rival, slo)
    halves = False
    while too_large - best > max(1, best // finest) and meets(evaluate_at(best), slo):
        if (
            beaten
            and rival is not None
            and evaluate_at(too_large).total_usd(study) >= rival.total_usd(study)
        ):
            break
        # Interpolate between the margins, but halve the interval every other time: interpolation
        # alone may approach the answer from one side in ever smaller steps.
        gains = margin(evaluate_at(best), slo), margin(evaluate_at(too_large), slo)
        share = 0.5 if halves else gains[0] / max(gains[0] - gains[1], 1e-9)
        halves = not halves
        edge = max(1, best // (2 * finest))
        middle = min(max(round(best + share * (too_large - best)), best + edge), too_large - edge)
        if meets(evaluate_at(middle), slo):
            best = middle
        else:
            too_large = middle
    return best


def _largest_threshold(
    evaluator: Evaluator,
    option: HybridOption,
    replicas: int,
    speed: float,
    rival: Evaluation | None = None,
) -> Evaluation:
    """Return the largest overflow threshold that meets the targets, and overflows least therefore.

    Attainment is assumed to fall as the threshold rises: powers of two are bisected first, then the
    interval between two of them. If the targets are met even with all sequences in use, longer
    queues are tried as long as they reduce the cost.
    """

    def evaluate_at(in_flight: int) -> Evaluation:
        return evaluator.evaluate(option, Size(replicas, in_flight, speed))

    if option.spill_in_flight is not None:
        return evaluate_at(option.spill_in_flight)
    study, slo = evaluator.study, evaluator.study.slo
    low, high = 0, (option.base.fleet.max_sequences - 1).bit_length()
    if meets(evaluate_at(2**high), slo):
        low = high
        if _overflow_usd(evaluate_at(2**low)) <= SLIGHT * evaluate_at(2**low).total_usd(study):
            return evaluate_at(2**low)
        while meets(evaluate_at(2 ** (low + 1)), slo):
            if evaluate_at(2 ** (low + 1)).total_usd(study) >= evaluate_at(2**low).total_usd(study):
                return evaluate_at(2**low)
            low += 1
        high = low + 1
    low = bisect_whole(lambda power: meets(evaluate_at(2**power), slo), high, low)
    threshold = _narrow_threshold(evaluator, evaluate_at, 2**low, 2 ** (low + 1), FINEST, rival)
    return evaluate_at(threshold)
