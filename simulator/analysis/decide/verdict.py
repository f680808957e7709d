"""The answer: every option at its best size, which is cheapest, how sure that is."""

from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.decide.breakeven import BreakEven, find_break_even
from simulator.analysis.decide.horizon import OverTime, over_time
from simulator.analysis.decide.monte_carlo import (
    Mapped,
    Standing,
    Worlds,
    simulated_costs,
    size_at_speeds,
    standings,
    world_costs,
)
from simulator.analysis.decide.remedies import Remedy, remedies
from simulator.analysis.decide.sensitivity import Contest, Driver, drivers
from simulator.analysis.decide.switching_values import Flip, flips
from simulator.analysis.sampling.sampler import Sampler
from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.simulate.longrun import Keep, Watch
from simulator.analysis.size.judging import (
    LIKELY,
    Excuse,
    Sized,
    describe_miss,
    is_collapsed,
    meets,
)
from simulator.analysis.size.kinds.contract import KnownSizes, kind_of
from simulator.analysis.size.options import correctness_shortfall, settle_size, size_option
from simulator.analysis.study.axis import Axis
from simulator.analysis.study.options import Option
from simulator.analysis.study.study import Study
from simulator.errors import InfeasibleError


@dataclass(frozen=True, slots=True)
class OptionResult:
    """One option at its size."""

    option: Option
    """That was asked for."""
    evaluation: Evaluation
    """Of it, or of the candidate that it chose."""
    excuse: Excuse | None
    rejected: tuple[Excuse, ...]
    """Candidates that were not chosen."""
    cost_usd: dict[str, float]
    """By component, most likely [USD/month]."""
    world_usd: NDArray[np.float64]
    """Total by world [USD/month], inf where it misses the SLO; one world where none were drawn."""
    standing: Standing | None = None
    """None where no worlds were drawn."""
    remedies: tuple[Remedy, ...] = ()
    """Of an option that misses the SLO, what it would take to meet it."""

    @property
    def name(self) -> str:
        """Name of the option."""
        return self.option.name

    @property
    def total_usd(self) -> float:
        """Most likely cost [USD/month]."""
        return sum(self.cost_usd.values())


@dataclass(frozen=True, slots=True)
class SizedOptions:
    """Every option of a study at its best size, and what it costs over the worlds."""

    results: tuple[OptionResult, ...]
    sized: dict[str, tuple[Sized, ...]]
    """By option, for slow, likely and fast hardware."""
    worlds: Worlds
    rated: list[NDArray[np.float64]]
    """Cost by option as rates alone make it [USD/month], (worlds,) each."""
    sampler: Sampler
    """What drew the smaller samples."""
    careful: Evaluator
    """Of the larger sample."""

    @property
    def known(self) -> KnownSizes:
        """What is known at likely speed."""
        return KnownSizes.of(self.sized)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to a study."""

    study: Study
    results: tuple[OptionResult, ...]
    winner: OptionResult
    runner_up: OptionResult | None
    """Cheapest other option that meets the targets."""
    other_kind: OptionResult | None
    """The same among options of another kind than the winner's."""
    least_regret: OptionResult | None
    """What costs the least above the best of each world, in the mean; None if all may miss the
    SLO."""
    saving: float | None
    """Share of the runner-up's cost."""
    saving_interval: tuple[float, float] | None
    break_even: BreakEven | None
    drivers: tuple[Driver, ...]
    flips: tuple[Flip, ...]
    over_time: OverTime | None
    """None where the scenario expects nothing to move."""
    today: SizedOptions = field(repr=False)
    """How the options were sized, for what a report shows beside."""


def decide(study: Study, executor: Executor | None = None, axis: Axis | None = None) -> Verdict:
    """Answer a study.

    Parameters
    ----------
    study : Study
        The question.
    executor : Executor, optional
        Runs points of the break-even curve in parallel; the answer does not depend on it.
    axis : Axis, optional
        What to look for the break-even along; default: the volume.

    Raises
    ------
    InfeasibleError
        When no option meets the SLO, with the reason of every option.
    """
    mapped = executor.map if executor else map
    every = size_options(study, mapped)
    results, sized = _with_remedies(every), every.sized
    usd = [r.world_usd for r in results]
    feasible = sorted(
        (r for r in results if r.excuse is None and not is_collapsed(r.evaluation)),
        key=lambda r: (r.total_usd, r.name),
    )
    if not feasible:
        excuses = {r.name: in_full(r) for r in results if r.excuse}
        raise InfeasibleError("no option meets the latency targets", excuses)
    winner = feasible[0]
    others = feasible[1:]
    runner_up = others[0] if others else None
    kind = winner.option.kind
    saving, interval = _saving(winner, runner_up)
    future = study.future
    return Verdict(
        study=study,
        results=results,
        winner=winner,
        runner_up=runner_up,
        other_kind=next((r for r in others if r.option.kind != kind), None),
        least_regret=_least_regret(feasible),
        saving=saving,
        saving_interval=interval,
        break_even=find_break_even(
            study, every.sampler, sized, executor, axis, _effects(study, usd, every.rated)
        ),
        drivers=_drivers(every, study, (winner, runner_up), mapped) if runner_up else (),
        flips=flips(study, {r.name: r.evaluation for r in feasible}, every.known, mapped),
        over_time=over_time(study, future, every.sampler, every.known, mapped) if future else None,
        today=every,
    )


def in_full(result: OptionResult) -> str:
    """Say why an option is out, and what it would take."""
    assert result.excuse is not None, "asked of options that are out"
    return "; ".join([result.excuse.reason, *(each.text for each in result.remedies)])


def _with_remedies(every: SizedOptions) -> tuple[OptionResult, ...]:
    """Say of options that miss the SLO what they would take to meet it."""
    apis = [
        result.option.api
        for result in every.results
        if result.option.api is not None and result.option.calls_only and result.excuse is None
    ]
    return tuple(
        replace(result, remedies=remedies(every.careful, result.evaluation, apis))
        if result.excuse is not None
        else result
        for result in every.results
    )


def size_options(study: Study, mapped: Mapped = map) -> SizedOptions:
    """Find every option's best size at today's volume, and its costs over the worlds."""
    sampler = Sampler(study)
    rough = Evaluator(study, 1.0, sampler)
    careful = Evaluator(study, 1.0, Sampler(study, careful=True))
    worlds = Worlds.draw(study)
    found: dict[str, tuple[Sized, ...]] = {}
    # What options do alone is known before those are sized that are made of them.
    for alone in (True, False):
        wave = [o for o in study.options if (o.calls_only or o.owns_only) == alone]
        these = mapped(partial(_sized, rough, careful, KnownSizes.of(found)), wave)
        found |= zip((option.name for option in wave), these, strict=True)
    sized = {option.name: found[option.name] for option in study.options}
    rated = [world_costs(study, s, worlds) for s in sized.values()]
    usd = simulated_costs(study, worlds, KnownSizes.of(sized), mapped) if study.numbers else rated
    collapsed = [s[LIKELY].collapsed for s in sized.values()]
    results = tuple(
        _result(study, option, s, costs, standing)
        for option, s, costs, standing in zip(
            study.options, sized.values(), usd, standings(usd, collapsed), strict=True
        )
    )
    return SizedOptions(results, sized, worlds, rated, sampler, careful)


def _sized(
    rough: Evaluator, careful: Evaluator, known: KnownSizes, option: Option
) -> tuple[Sized, ...]:
    """Size an option for slow, likely and fast hardware; what is likely, by the larger sample."""
    if option.calls_only:
        return (size_option(careful, option),) * 3
    slow, likely, fast = size_at_speeds(rough, option, known)
    found = settle_size(careful, option, likely, known)
    others = {
        # A side that only calls is as fast whatever the hardware, and costs what it does alone.
        id(each): settle_size(careful, option, each, known)
        if each.collapsed and not each.evaluation.owned
        else each
        for each in (slow, fast)
        if each is not likely
    }
    return tuple(others.get(id(each), found) for each in (slow, likely, fast))


def _drivers(
    today: SizedOptions, study: Study, contest: tuple[OptionResult, OptionResult], mapped: Mapped
) -> tuple[Driver, ...]:
    """What drives the winner's advantage over the runner-up."""
    winner, runner_up = contest
    with np.errstate(invalid="ignore"):  # where both miss the SLO, no one is ahead
        advantage_usd = runner_up.world_usd - winner.world_usd
    names = (winner.name, runner_up.name)
    return drivers(
        study,
        Contest(today.sized[names[0]], today.sized[names[1]], names, advantage_usd),
        today.worlds,
        today.known,
        mapped,
    )


def _effects(
    study: Study, usd: list[NDArray[np.float64]], rated: list[NDArray[np.float64]]
) -> dict[str, NDArray[np.float64]]:
    """What the uncertain numbers of each world do to an option's cost at today's volume: factors.

    Along the break-even's axis they are taken to do the same.
    """
    if not study.numbers:
        return {}
    found = {}
    for option, simulated, likely in zip(study.options, usd, rated, strict=True):
        factor = np.ones(len(simulated))
        np.divide(simulated, likely, out=factor, where=np.isfinite(likely) & (likely > 0))
        found[option.name] = factor
    return found


def simulate_as_written(
    study: Study, keep: Keep | None = None, watch: Watch | None = None
) -> tuple[OptionResult, ...]:
    """Run every option at exactly the size that the scenario gives, over the whole horizon.

    Parameters
    ----------
    study : Study
        The question, whose answer is not searched for.
    keep : Keep, optional
        Where to keep the simulations while they run, and to go on from.
    watch : Watch, optional
        Sees every piece of every ledger.

    Raises
    ------
    InputError
        When a size is left to be found.
    """
    evaluator = Evaluator(study, 1.0, Sampler(study, careful=True))
    for option in study.options:
        option.require_sizes()
    results = []
    for option in study.options:
        evaluation = kind_of(option).evaluate_as_written(evaluator, option, keep, watch)
        reason = correctness_shortfall(evaluation, study)
        if not meets(evaluation, study.slo):
            reason = describe_miss(evaluation, study.slo)
        excuse = None if reason is None else Excuse(option.name, reason)
        total = np.array([evaluation.total_usd(study)])
        costs = evaluation.cost_usd(study)
        results.append(OptionResult(option, evaluation, excuse, (), costs, total))
    return tuple(results)


def _result(
    study: Study,
    option: Option,
    sized: tuple[Sized, ...],
    usd: NDArray[np.float64],
    standing: Standing,
) -> OptionResult:
    likely = sized[LIKELY]
    costs = likely.evaluation.cost_usd(study)
    return OptionResult(
        option, likely.evaluation, likely.excuse, likely.rejected, costs, usd, standing
    )


def _least_regret(feasible: list[OptionResult]) -> OptionResult | None:
    known = [r for r in feasible if r.standing and np.isfinite(r.standing.regret_usd)]
    return min(known, key=lambda r: r.standing.regret_usd if r.standing else np.inf, default=None)


def _saving(
    winner: OptionResult, runner_up: OptionResult | None
) -> tuple[float | None, tuple[float, float] | None]:
    if runner_up is None:
        return None, None
    saving = 1 - winner.total_usd / runner_up.total_usd
    both = np.isfinite(winner.world_usd) & np.isfinite(runner_up.world_usd)
    both &= runner_up.world_usd > 0  # a small sample of a small volume may hold no request
    if not both.any():
        return saving, None
    by_world = 1 - winner.world_usd[both] / runner_up.world_usd[both]
    low, high = np.quantile(by_world, [0.05, 0.95])
    return saving, (float(low), float(high))
