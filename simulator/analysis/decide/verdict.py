"""The verdict: every option at its best size, which one is cheapest, and how sure that is."""

from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.decide.breakeven import BreakEven, find_break_even
from simulator.analysis.decide.horizon import HorizonResult, follow_horizon
from simulator.analysis.decide.monte_carlo import (
    Standing,
    Worlds,
    compute_standings,
    simulate_costs,
    size_at_speeds,
    world_costs,
)
from simulator.analysis.decide.remedies import Remedy, find_remedies
from simulator.analysis.decide.sensitivity import Contest, Driver, find_drivers
from simulator.analysis.decide.switching_values import SwitchingValue, find_switching_values
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
from simulator.callbacks import Mapped
from simulator.errors import InfeasibleError


@dataclass(frozen=True, slots=True)
class OptionResult:
    """One option at its size."""

    option: Option
    """Option as the scenario has it."""
    evaluation: Evaluation
    """Evaluation of the option, or of the candidate that it chose."""
    excuse: Excuse | None
    """Reason why the option is not feasible; None: it is feasible."""
    rejected: tuple[Excuse, ...]
    """Candidates that were not chosen, each with the reason."""
    cost_usd: dict[str, float]
    """Most likely cost by component [USD/month]."""
    world_usd: NDArray[np.float64]
    """Total cost in every draw [USD/month], inf if targets are missed; a single value if there are
    no draws."""
    standing: Standing | None = None
    """Comparison with the other options over the draws; None if there are no draws."""
    remedies: tuple[Remedy, ...] = ()
    """Ways to meet the targets, for an option that misses them."""

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
    """Every option of a study at its best size, with its cost in every draw."""

    results: tuple[OptionResult, ...]
    """Results of the options, in the study's order."""
    sized: dict[str, tuple[Sized, ...]]
    """Sizes by option, for slow, likely and fast hardware."""
    worlds: Worlds
    """Draws of the uncertain numbers."""
    rated: list[NDArray[np.float64]]
    """Cost of each option as given by the uncertain rates alone [USD/month], (worlds,) each."""
    sampler: Sampler
    """Sampler of the smaller samples."""
    careful: Evaluator
    """Evaluator of the larger sample."""

    @property
    def known(self) -> KnownSizes:
        """Sizes at likely speed."""
        return KnownSizes.of(self.sized)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to a study."""

    study: Study
    """The question."""
    results: tuple[OptionResult, ...]
    """Results of the options, in the study's order."""
    winner: OptionResult
    """Cheapest option that meets the targets."""
    runner_up: OptionResult | None
    """Cheapest other option that meets the targets."""
    other_kind: OptionResult | None
    """Cheapest other option that meets the targets and is of another kind than the winner."""
    least_regret: OptionResult | None
    """Option with the least mean extra cost over the best of each draw; None if every option may
    miss the targets."""
    saving: float | None
    """Saving of the winner as a share of the runner-up's cost."""
    saving_interval: tuple[float, float] | None
    """Interval that contains the saving in nine of ten draws."""
    break_even: BreakEven | None
    """Volumes, or other values, at which self-hosting is cheaper than calls; None unless both are
    among the options."""
    drivers: tuple[Driver, ...]
    """Uncertain numbers that move the winner's advantage, the largest effect first."""
    switching_values: tuple[SwitchingValue, ...]
    """Smallest changes of single numbers that make another option the cheapest, the nearest
    first."""
    horizon: HorizonResult | None
    """Costs over the horizon; None if the scenario states no future."""
    today: SizedOptions = field(repr=False)
    """Sizes of the options at today's volume, for further figures of a report."""


def decide(study: Study, executor: Executor | None = None, axis: Axis | None = None) -> Verdict:
    """Answer a study.

    Parameters
    ----------
    study : Study
        The question.
    executor : Executor, optional
        Runs points of the break-even curve in parallel; the answer does not depend on it.
    axis : Axis, optional
        Axis along which to search for the break-even; default: the volume.

    Raises
    ------
    InfeasibleError
        When no option meets the targets, with the reason for each option.
    """
    mapped = executor.map if executor else map
    today = size_options(study, mapped)
    results, sized = _with_remedies(today), today.sized
    usd = [r.world_usd for r in results]
    feasible = sorted(
        (r for r in results if r.excuse is None and not is_collapsed(r.evaluation)),
        key=lambda r: (r.total_usd, r.name),
    )
    if not feasible:
        excuses = {r.name: describe_excuse(r) for r in results if r.excuse}
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
            study, today.sampler, sized, executor, axis, _effects(study, usd, today.rated)
        ),
        drivers=_drivers(today, study, (winner, runner_up), mapped) if runner_up else (),
        switching_values=find_switching_values(
            study, {r.name: r.evaluation for r in feasible}, today.known, mapped
        ),
        horizon=follow_horizon(study, future, today.sampler, today.known, mapped)
        if future
        else None,
        today=today,
    )


def describe_excuse(result: OptionResult) -> str:
    """Describe why an option is infeasible, and what it would take to meet the targets."""
    assert result.excuse is not None, "asked of options that are out"
    return "; ".join([result.excuse.reason, *(each.text for each in result.remedies)])


def _with_remedies(sized_options: SizedOptions) -> tuple[OptionResult, ...]:
    """Add remedies to the options that miss the targets."""
    apis = [
        result.option.api
        for result in sized_options.results
        if result.option.api is not None and result.option.calls_only and result.excuse is None
    ]
    return tuple(
        replace(result, remedies=find_remedies(sized_options.careful, result.evaluation, apis))
        if result.excuse is not None
        else result
        for result in sized_options.results
    )


def size_options(study: Study, mapped: Mapped = map) -> SizedOptions:
    """Find every option's best size at today's volume, and its costs over the draws."""
    sampler = Sampler(study)
    rough = Evaluator(study, 1.0, sampler)
    careful = Evaluator(study, 1.0, Sampler(study, careful=True))
    worlds = Worlds.draw(study)
    sized_so_far: dict[str, tuple[Sized, ...]] = {}
    # Single options are sized first, because options that are made of them start from their sizes.
    for is_single in (True, False):
        options = [o for o in study.options if (o.calls_only or o.owns_only) == is_single]
        sizes = mapped(
            partial(_size_at_speeds, rough, careful, KnownSizes.of(sized_so_far)), options
        )
        sized_so_far |= zip((option.name for option in options), sizes, strict=True)
    sized = {option.name: sized_so_far[option.name] for option in study.options}
    rated = [world_costs(study, sizes, worlds) for sizes in sized.values()]
    usd = simulate_costs(study, worlds, KnownSizes.of(sized), mapped) if study.numbers else rated
    collapsed = [sizes[LIKELY].collapsed for sizes in sized.values()]
    results = tuple(
        _result(study, option, sizes, costs, standing)
        for option, sizes, costs, standing in zip(
            study.options, sized.values(), usd, compute_standings(usd, collapsed), strict=True
        )
    )
    return SizedOptions(results, sized, worlds, rated, sampler, careful)


def _size_at_speeds(
    rough: Evaluator, careful: Evaluator, known: KnownSizes, option: Option
) -> tuple[Sized, ...]:
    """Size an option for slow, likely and fast hardware; the likely size by the larger sample."""
    if option.calls_only:
        return (size_option(careful, option),) * 3
    slow, likely, fast = size_at_speeds(rough, option, known)
    settled = settle_size(careful, option, likely, known)
    other_sizes = {
        # A hybrid that leaves everything to its API does not depend on the hardware's speed.
        id(size): settle_size(careful, option, size, known)
        if size.collapsed and not size.evaluation.owned
        else size
        for size in (slow, fast)
        if size is not likely
    }
    return tuple(other_sizes.get(id(size), settled) for size in (slow, likely, fast))


def _drivers(
    today: SizedOptions, study: Study, contest: tuple[OptionResult, OptionResult], mapped: Mapped
) -> tuple[Driver, ...]:
    """Return the drivers of the winner's advantage over the runner-up."""
    winner, runner_up = contest
    with np.errstate(invalid="ignore"):  # inf - inf: both miss the targets, the advantage is NaN
        advantage_usd = runner_up.world_usd - winner.world_usd
    names = (winner.name, runner_up.name)
    return find_drivers(
        study,
        Contest(today.sized[names[0]], today.sized[names[1]], names, advantage_usd),
        today.worlds,
        today.known,
        mapped,
    )


def _effects(
    study: Study, usd: list[NDArray[np.float64]], rated: list[NDArray[np.float64]]
) -> dict[str, NDArray[np.float64]]:
    """Return the effect of the uncertain numbers on each option's cost in every draw, as factors.

    They are measured at today's volume, and taken to be the same along the axis of the break-even.
    """
    if not study.numbers:
        return {}
    effects = {}
    for option, simulated, likely in zip(study.options, usd, rated, strict=True):
        factor = np.ones(len(simulated))
        np.divide(simulated, likely, out=factor, where=np.isfinite(likely) & (likely > 0))
        effects[option.name] = factor
    return effects


def simulate_as_written(
    study: Study, keep: Keep | None = None, watch: Watch | None = None
) -> tuple[OptionResult, ...]:
    """Run every option at exactly the size that the scenario states, over the whole horizon.

    Parameters
    ----------
    study : Study
        The question; sizes are not searched.
    keep : Keep, optional
        Where to save running simulations, and to resume them from.
    watch : Watch, optional
        Receives every piece of every ledger.

    Raises
    ------
    InputError
        When the scenario leaves a size open.
    """
    evaluator = Evaluator(study, 1.0, Sampler(study, careful=True))
    for option in study.options:
        option.require_sizes()
    results = []
    for option in study.options:
        evaluation = kind_of(option).evaluate_as_written(evaluator, option, keep, watch)
        reason = correctness_shortfall(evaluation, study.quality)
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
    """Return the result of an option from its sizes and costs."""
    likely = sized[LIKELY]
    costs = likely.evaluation.cost_usd(study)
    return OptionResult(
        option, likely.evaluation, likely.excuse, likely.rejected, costs, usd, standing
    )


def _least_regret(feasible: list[OptionResult]) -> OptionResult | None:
    """Return the feasible option with the least regret, if any has a finite one."""
    with_regret = [r for r in feasible if r.standing and np.isfinite(r.standing.regret_usd)]
    return min(
        with_regret, key=lambda r: r.standing.regret_usd if r.standing else np.inf, default=None
    )


def _saving(
    winner: OptionResult, runner_up: OptionResult | None
) -> tuple[float | None, tuple[float, float] | None]:
    """Return the winner's saving relative to the runner-up, with its interval over draws."""
    if runner_up is None:
        return None, None
    saving = 1 - winner.total_usd / runner_up.total_usd
    is_finite = np.isfinite(winner.world_usd) & np.isfinite(runner_up.world_usd)
    is_finite &= runner_up.world_usd > 0  # a small sample of a small volume may contain no request
    if not is_finite.any():
        return saving, None
    by_world = 1 - winner.world_usd[is_finite] / runner_up.world_usd[is_finite]
    low, high = np.quantile(by_world, [0.05, 0.95])
    return saving, (float(low), float(high))
