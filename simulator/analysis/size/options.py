"""The best size of any option, single or composite: from nothing, or from one known elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.simulate.planning import Size
from simulator.analysis.size.assignment import size_pools
from simulator.analysis.size.carried import Carried
from simulator.analysis.size.cascade import size_cascade
from simulator.analysis.size.correctness import right_share
from simulator.analysis.size.fleets import size_fleet
from simulator.analysis.size.judging import LIKELY, Excuse, Sized, judged, meets, speed_at
from simulator.analysis.size.search import size_choice
from simulator.analysis.size.sizing import size_single
from simulator.analysis.size.splitting import FINEST, SETTLED_FINEST, split_near
from simulator.analysis.study.study import (
    Cascade,
    Choice,
    HybridOption,
    Option,
    Pools,
    SelfHostOption,
    SingleOption,
    Study,
    self_hosted_part,
    single_options,
)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one volume, from which sizes at others and at other speeds are found."""

    sized: Mapping[str, Sized] = field(default_factory=dict)
    """Options at likely speed, by name."""
    carried: Mapping[str, Carried] = field(default_factory=dict)
    """By deployment."""
    calls: Mapping[str, float] = field(default_factory=dict)
    """By option that only calls, its cost by a larger sample over that by a smaller one."""
    volume: float = 1.0
    """Multiple of today's at which the options were sized."""

    @staticmethod
    def of(sized: Mapping[str, tuple[Sized, ...]]) -> "Known":
        """Return what options tell that were sized for slow, likely and fast hardware."""
        return Known({name: each[LIKELY] for name, each in sized.items()})

    def replicas(self, option: Option, load: float) -> int:
        """Return about how many replicas an option needs for a multiple of today's load."""
        base = self_hosted_part(option) if isinstance(option, SingleOption) else None
        curve = self.carried.get(base.name) if base is not None else None
        if curve is not None:
            return curve.replicas(load) or 1
        name = base.name if base is not None and base.name in self.sized else option.name
        found = self.sized.get(name)
        load /= self.volume
        return max(1, round(found.evaluation.size.replicas * load)) if found else 1


def size_option(
    evaluator: Evaluator, option: Option, speed_z: float = 0.0, start: int = 1
) -> Sized:
    """Find the cheapest feasible size of an option; see ``sizing.size_single``."""
    match option:
        case Choice():
            sized = size_choice(evaluator, option, speed_z, start)
        case Pools():
            sized = size_pools(evaluator, option, speed_z, start)
        case Cascade():
            sized = size_cascade(evaluator, option, speed_z, start)
        case _:
            sized = size_single(evaluator, option, speed_z, start)
    return _if_right(evaluator, option, sized)


def size_near(
    evaluator: Evaluator, option: Option, known: Known, speed_z: float = 0.0, finest: int = FINEST
) -> Sized:
    """Find an option's best size around what is known of today's volume.

    Parameters
    ----------
    evaluator : Evaluator
        The study at one volume.
    option : Option
        What to size.
    known : Known
        What another volume, another speed or a smaller sample has shown.
    speed_z : float
        How fast the hardware is within its error band, as a standard normal score.
    finest : int
        See ``splitting.split_near``.
    """
    singles = single_options(option)
    speed = speed_at(singles[0], speed_z) if len(singles) == 1 else 1.0
    load = evaluator.volume / speed
    start = known.replicas(option, load)
    split = known.sized[option.name].split if option.name in known.sized else None
    if not isinstance(option, HybridOption) or split is None:
        return size_option(evaluator, option, speed_z, start)
    replicas = max(1, round(split.size.replicas * load / known.volume))
    size = Size(replicas, split.size.spill_in_flight, speed)
    alone = None
    if option.replicas is None:
        curve = known.carried.get(option.base.name)
        if curve is not None and speed == 1.0:
            alone = size_carried(evaluator, option.base, curve)[LIKELY].evaluation
        else:
            alone = size_fleet(evaluator, option.base, speed_z, start).evaluation
    return _if_right(evaluator, option, split_near(evaluator, option, size, alone, finest))


def size_carried(evaluator: Evaluator, option: SelfHostOption, curve: Carried) -> tuple[Sized, ...]:
    """Size a fleet for slow, likely and fast hardware by what it is known to carry.

    What is likely is confirmed by a simulation, with more replicas where they turn out to be too
    few; at other speeds it does the same with other numbers of replicas.
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
    return tuple(_if_right(evaluator, option, each) for each in sized)


def settled(careful: Evaluator, option: Option, rough: Sized, known: Known | None = None) -> Sized:
    """Return an option's size and cost by a larger sample, beginning where a smaller one ended.

    ``known`` are the sizes of options that it may be made of. Composite options stay as the smaller
    sample found them.
    """
    if isinstance(option, Choice):
        chosen = rough.evaluation.option
        if rough.evaluation.parts or not isinstance(chosen, SingleOption):
            return rough
        found = settled(careful, chosen, rough, known)
        return replace(found, rejected=rough.rejected)
    if isinstance(option, Pools | Cascade):
        return rough
    here = known or Known(volume=careful.volume)
    here = replace(here, sized={**here.sized, option.name: rough})
    return size_near(careful, option, here, finest=SETTLED_FINEST)


def _if_right(evaluator: Evaluator, option: Option, sized: Sized) -> Sized:
    """Return what was sized, with an excuse where too many of its answers are wrong."""
    wrong = too_often_wrong(sized.evaluation, evaluator.study)
    if sized.feasible and wrong is not None:
        return replace(sized, excuse=Excuse(option.name, wrong))
    return sized


def too_often_wrong(evaluation: Evaluation, study: Study) -> str | None:
    """Say so when too few of an option's requests are answered rightly in the end."""
    least = study.quality.least_right if study.quality is not None else 0.0
    if not least:
        return None
    share = right_share(evaluation, study)
    if share is None:
        return f"no success_rate is known, and {least:.1%} must be right"
    return None if share >= least else f"{share:.1%} of answers are right, {least:.1%} wanted"
