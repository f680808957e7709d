"""The cheapest size of an option that meets the SLO, found by simulation; or why there is none."""

import sys
from dataclasses import dataclass

import numpy as np

from simulator.analysis.evaluate import Evaluation, Evaluator
from simulator.analysis.planning import Size
from simulator.analysis.study import (
    ApiOption,
    HybridOption,
    SelfHostOption,
    SingleOption,
    Slo,
    self_hosted_part,
)
from simulator.economics.screening import Technology, best_replicas
from simulator.units import MONTH_S

FINEST, SETTLED_FINEST = 8, 64
"""Spill thresholds are told apart to an eighth of themselves, and finer where one is settled."""
FLEET_TOLERANCE = 0.01
"""Fleets of more than a hundred replicas are told apart to this share of themselves."""
LEAST_TRIED = 8
"""Replicas that are tried before more are taken to be of no use..."""
NO_GAIN = 0.002
"""...where twice as many bring less than this share of the requests into the targets."""


@dataclass(frozen=True, slots=True)
class Excuse:
    """Why an option is out."""

    option: str
    reason: str


@dataclass(frozen=True, slots=True)
class Sized:
    """An option's best size, and its excuse when even that misses the SLO."""

    evaluation: Evaluation
    excuse: Excuse | None
    rejected: tuple[Excuse, ...] = ()
    """Other ways to do the same that were looked at, and what spoke against each."""

    @property
    def collapsed(self) -> bool:
        """Whether it is a hybrid for which no split pays: one of its sides does everything."""
        return is_collapsed(self.evaluation)

    @property
    def feasible(self) -> bool:
        """Whether the SLO is met."""
        return self.excuse is None


def is_collapsed(evaluation: Evaluation) -> bool:
    """Whether it is of a hybrid that leaves everything to one of its sides."""
    return isinstance(evaluation.option, HybridOption) and bool(evaluation.parts)


def size_single(
    evaluator: Evaluator,
    option: SingleOption,
    speed_z: float = 0.0,
    start: int = 1,
    most: int | None = None,
) -> Sized:
    """Find the cheapest feasible size of an option that runs by itself.

    Parameters
    ----------
    evaluator : Evaluator
        The study at one volume.
    option : SingleOption
        What to size.
    speed_z : float
        How fast the hardware is within its error band, as a standard normal score.
    start : int
        Where the search for the number of replicas starts.
    most : int, optional
        Replicas beyond which the answer is of no interest; default: the study's limit.
    """
    if isinstance(option, ApiOption):
        return judged(evaluator, evaluator.evaluate(option, Size()))
    if isinstance(option, SelfHostOption):
        return _size_fleet(evaluator, option, speed_z, start, most)
    return _size_hybrid(evaluator, option, speed_z, start, most)


def speed_at(option: SingleOption, speed_z: float) -> float:
    """Throughput over the predicted one at a standard normal score; 1 for an API."""
    base = self_hosted_part(option)
    return 1.0 if base is None else float(base.speed.at(np.array([speed_z]))[0])


def meets(evaluation: Evaluation, slo: Slo) -> bool:
    """Whether enough of the offered requests were within the limits."""
    return margin(evaluation, slo) >= 0


def margin(evaluation: Evaluation, slo: Slo) -> float:
    """How far the share of requests within limits is above what is wanted, where it is least so."""
    met = evaluation.outcome.slo_met
    wanted = {"attainment": slo.attainment, **slo.percentiles}
    return min(met.get(name, 1.0) - share for name, share in wanted.items())


def judged(evaluator: Evaluator, evaluation: Evaluation) -> Sized:
    """Say whether an evaluation meets the SLO, and why not."""
    slo = evaluator.study.slo
    if meets(evaluation, slo):
        return Sized(evaluation, None)
    return Sized(evaluation, Excuse(evaluation.option.name, miss(evaluation, slo)))


def miss(evaluation: Evaluation, slo: Slo) -> str:
    """Say in one line which limit is missed and by how much."""
    met = evaluation.outcome.slo_met
    parts = [
        f"{name.removesuffix('_s').upper()} <= {getattr(slo, name):g} s for {met[name]:.1%}"
        for name in ("ttft_s", "tpot_s", "e2e_s")
        if name in met
    ]
    if "deadline" in met:
        parts.append(f"deadlines for {met['deadline']:.1%}")
    size = evaluation.size
    wanted = [f"{slo.attainment:.1%} wanted"]
    wanted += [f"{s:.1%} for {n.removesuffix('_s').upper()}" for n, s in slo.percentiles.items()]
    at = f" at {size.replicas} replicas" if size.replicas else ""
    return (
        f"{evaluation.outcome.attainment:.1%} of requests within targets{at}, "
        f"{', '.join(wanted)} ({', '.join(parts)})"
    )


def _size_fleet(
    evaluator: Evaluator, option: SelfHostOption, speed_z: float, start: int, most: int | None
) -> Sized:
    speed = speed_at(option, speed_z)
    if option.replicas is not None:
        return judged(evaluator, evaluator.evaluate(option, Size(option.replicas, 0, speed)))
    slo = evaluator.study.slo
    most = min(most or sys.maxsize, evaluator.study.effort.max_replicas)

    def at(replicas: int) -> Evaluation:
        return evaluator.evaluate(option, Size(replicas, 0, speed))

    busy = evaluator.need(option).replicas
    replicas = min(max(start, busy), most)
    step = max(1, replicas // 8)
    if meets(at(replicas), slo):
        high = replicas
        while high > 1 and meets(at(max(1, high - step)), slo):
            high, step = max(1, high - step), 2 * step
        low = max(0, high - step) if high > 1 else 0
    else:
        low = high = replicas
        while not meets(at(high), slo):
            if high == most or _is_hopeless(at(low), at(high), busy, slo):
                return judged(evaluator, at(high))
            low, high, step = high, min(high + step, most), 2 * step
    while high - low > max(1, round(FLEET_TOLERANCE * high)):
        middle = (low + high) // 2
        if meets(at(middle), slo):
            high = middle
        else:
            low = middle
    return Sized(at(high), None)


def _is_hopeless(fewer: Evaluation, more: Evaluation, busy: int, slo: Slo) -> bool:
    """Whether many more replicas than are busy have brought nothing: what is slow is no queue."""
    many = more.size.replicas >= max(4 * busy, 2 * fewer.size.replicas)
    gain = margin(more, slo) - margin(fewer, slo)
    return many and more.size.replicas >= LEAST_TRIED and gain < NO_GAIN


def _size_hybrid(
    evaluator: Evaluator, option: HybridOption, speed_z: float, start: int, most: int | None
) -> Sized:
    """Climb from a first guess of the base to where no replica more or less is cheaper.

    The cost is convex in the number of replicas where requests spill by load alone. A split that
    does not pay leaves everything to the cheaper of its two sides.
    """
    speed = speed_at(option, speed_z)
    if option.replicas is not None:
        return judged(evaluator, _best_spill(evaluator, option, option.replicas, speed))
    alone = _size_fleet(evaluator, option.base, speed_z, start, most)
    calls = evaluator.evaluate(option.overflow, Size())
    # Where no number of replicas is fast enough, a base that carries little may do.
    largest = max(1, alone.evaluation.size.replicas)
    replicas = _first_guess(evaluator, option, largest, calls) if alone.feasible else 1
    best = _best_spill(evaluator, option, replicas, speed)
    for step in (-1, 1):
        while 1 <= replicas + step <= largest:
            candidate = _best_spill(evaluator, option, replicas + step, speed, best)
            if not _better(evaluator, candidate, best):
                break
            replicas, best = replicas + step, candidate
    for pure in (calls, alone.evaluation):
        if not _better(evaluator, best, pure):
            best = _left_to(option, pure)
    return judged(evaluator, best)


def settled_hybrid(careful: Evaluator, option: HybridOption, rough: Evaluation) -> Sized:
    """Return a hybrid's spill threshold by a larger sample, at the replicas that are known to do.

    A split that does not pay leaves everything to the cheaper of its two sides.
    """
    study, slo = careful.study, careful.study.slo
    calls = careful.evaluate(option.overflow, Size())
    alone = _size_fleet(careful, option.base, 0.0, max(1, rough.size.replicas), None)
    if rough.parts:
        side = rough.parts[0].option
        return judged(
            careful, _left_to(option, calls if side == option.overflow else alone.evaluation)
        )
    replicas = rough.size.replicas

    def at(in_flight: int) -> Evaluation:
        return careful.evaluate(option, Size(replicas, in_flight))

    best = rough.size.spill_in_flight
    if option.spill_in_flight is None:
        step = max(1, best // 8)
        if meets(at(best), slo):
            while meets(at(best + step), slo) and at(best + step).total_usd(study) < at(
                best
            ).total_usd(study):
                best += step
            spills = best + step
        else:
            spills = best
            while best > 1 and not meets(at(best), slo):
                spills, best = best, max(1, best - step)
                step *= 2
        while spills - best > max(1, best // SETTLED_FINEST) and meets(at(best), slo):
            middle = (best + spills) // 2
            if meets(at(middle), slo):
                best = middle
            else:
                spills = middle
    found = at(best)
    if option.replicas is not None:
        return judged(careful, found)
    for pure in (calls, alone.evaluation):
        if not _better(careful, found, pure):
            found = _left_to(option, pure)
    return judged(careful, found)


def _left_to(option: HybridOption, side: Evaluation) -> Evaluation:
    """A hybrid that leaves everything to one of its sides."""
    calls = side.calls_per_request
    return Evaluation(option, side.size, side.outcome, side.by, (side,), calls_per_request=calls)


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
    slo, study = evaluator.study.slo, evaluator.study
    if meets(candidate, slo) != meets(best, slo):
        return meets(candidate, slo)
    if meets(best, slo):
        return candidate.total_usd(study) < best.total_usd(study)
    return margin(candidate, slo) > margin(best, slo)


def _best_spill(
    evaluator: Evaluator,
    option: HybridOption,
    replicas: int,
    speed: float,
    rival: Evaluation | None = None,
) -> Evaluation:
    """Largest spill threshold at which the SLO holds: it spills the least.

    By powers of two, then finer; not finer where even the next power, which misses the SLO and
    spills less, is dearer than a rival. Where all that the replicas take at once holds, longer
    queues are tried while they are cheaper.
    """

    def at(in_flight: int) -> Evaluation:
        return evaluator.evaluate(option, Size(replicas, in_flight, speed))

    if option.spill_in_flight is not None:
        return at(option.spill_in_flight)
    study, slo = evaluator.study, evaluator.study.slo
    low, high = 0, (option.base.fleet.max_sequences - 1).bit_length()
    if meets(at(2**high), slo):
        low = high
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
    best, spills = 2**low, 2**high
    beaten = rival is not None and meets(rival, slo)
    while spills - best > max(1, best // FINEST) and meets(at(best), slo):
        if beaten and rival is not None and at(spills).total_usd(study) >= rival.total_usd(study):
            break
        middle = (best + spills) // 2
        if meets(at(middle), slo):
            best = middle
        else:
            spills = middle
    return at(best)
