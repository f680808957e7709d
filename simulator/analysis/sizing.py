"""The cheapest size of an option that meets the SLO, found by simulation; or why there is none."""

from dataclasses import dataclass

from simulator.analysis.evaluate import Evaluation, Evaluator, Size
from simulator.analysis.study import ApiOption, HybridOption, Option, SelfHostOption, Slo


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

    @property
    def feasible(self) -> bool:
        """Whether the SLO is met."""
        return self.excuse is None


def size_option(evaluator: Evaluator, option: Option, speed: float = 1.0, start: int = 1) -> Sized:
    """Find the cheapest feasible size of an option.

    Parameters
    ----------
    evaluator : Evaluator
        The study at one volume.
    option : Option
        What to size.
    speed : float
        Throughput relative to the prediction.
    start : int
        Where the search for the number of replicas starts.
    """
    if isinstance(option, ApiOption):
        return _judged(evaluator, evaluator.evaluate(option, Size()))
    if isinstance(option, SelfHostOption):
        return _size_fleet(evaluator, option, speed, start)
    return _size_hybrid(evaluator, option, speed, start)


def meets(evaluation: Evaluation, slo: Slo) -> bool:
    """Whether enough of the offered requests were within every limit."""
    return evaluation.outcome.attainment >= slo.attainment


def _judged(evaluator: Evaluator, evaluation: Evaluation) -> Sized:
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
    at = f" at {size.replicas} replicas" if size.replicas else ""
    return (
        f"{evaluation.outcome.attainment:.1%} of requests within targets{at}, "
        f"{slo.attainment:.1%} wanted ({', '.join(parts)})"
    )


def _size_fleet(evaluator: Evaluator, option: SelfHostOption, speed: float, start: int) -> Sized:
    if option.replicas is not None:
        return _judged(evaluator, evaluator.evaluate(option, Size(option.replicas, 0, speed)))
    slo = evaluator.study.slo
    most = evaluator.study.effort.max_replicas

    def at(replicas: int) -> Evaluation:
        return evaluator.evaluate(option, Size(replicas, 0, speed))

    replicas = min(start, most)
    step = 1
    if meets(at(replicas), slo):
        high = replicas
        while high > 1 and meets(at(max(1, high - step)), slo):
            high, step = max(1, high - step), 2 * step
        low = max(0, high - step) if high > 1 else 0
    else:
        if not meets(at(most), slo):
            return _judged(evaluator, at(most))
        low = high = replicas
        while not meets(at(high), slo):
            low, high, step = high, min(high + step, most), 2 * step
    while high - low > 1:
        middle = (low + high) // 2
        if meets(at(middle), slo):
            high = middle
        else:
            low = middle
    return Sized(at(high), None)


def _size_hybrid(evaluator: Evaluator, option: HybridOption, speed: float, start: int) -> Sized:
    """Walk down from the fleet that would do alone while spilling more makes it cheaper."""
    if option.replicas is not None:
        return _judged(evaluator, _best_spill(evaluator, option, option.replicas, speed))
    alone = _size_fleet(evaluator, option.base, speed, start)
    best: Evaluation | None = None
    slo = evaluator.study.slo
    # Where no number of replicas is fast enough, only a base that carries little may do.
    largest = alone.evaluation.size.replicas if alone.feasible else 1
    for replicas in range(largest, 0, -1):
        candidate = _best_spill(evaluator, option, replicas, speed)
        if best is None or _better(evaluator, candidate, best):
            best = candidate
        elif meets(best, slo):
            break
    assert best is not None
    return _judged(evaluator, best)


def _better(evaluator: Evaluator, candidate: Evaluation, best: Evaluation) -> bool:
    slo, study = evaluator.study.slo, evaluator.study
    if meets(candidate, slo) != meets(best, slo):
        return meets(candidate, slo)
    if meets(best, slo):
        return candidate.total_usd(study) < best.total_usd(study)
    return candidate.outcome.attainment > best.outcome.attainment


def _best_spill(
    evaluator: Evaluator, option: HybridOption, replicas: int, speed: float
) -> Evaluation:
    """Largest spill threshold, in powers of two, at which the SLO holds: spills the least."""

    def at(power: int) -> Evaluation:
        return evaluator.evaluate(option, Size(replicas, 2**power, speed))

    if option.spill_in_flight is not None:
        return evaluator.evaluate(option, Size(replicas, option.spill_in_flight, speed))
    slo = evaluator.study.slo
    low, high = 0, (option.base.fleet.max_sequences - 1).bit_length()
    if meets(at(high), slo):
        return at(high)
    while high - low > 1:
        middle = (low + high) // 2
        if meets(at(middle), slo):
            low = middle
        else:
            high = middle
    return at(low)
