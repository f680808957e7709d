"""Hybrids: own replicas, and an API for the requests that they cannot take in time."""

from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.size.carried import size_by_curve
from simulator.analysis.size.fleets import size_fleet
from simulator.analysis.size.judging import LIKELY, Sized
from simulator.analysis.size.kinds.contract import KnownSizes, speed_of
from simulator.analysis.size.kinds.single import SingleKind
from simulator.analysis.size.splitting import FINEST, size_hybrid, split_near
from simulator.analysis.study.options import HybridOption, Size


class HybridKind(SingleKind[HybridOption]):
    """A self-hosted base that overflows to an API."""

    def size(
        self,
        evaluator: Evaluator,
        option: HybridOption,
        speed_z: float = 0.0,
        start: int = 1,
        most: int | None = None,
    ) -> Sized:
        """Find the cheapest split."""
        return size_hybrid(evaluator, option, speed_z, start, most)

    def size_near(
        self,
        evaluator: Evaluator,
        option: HybridOption,
        known: KnownSizes,
        speed_z: float = 0.0,
        finest: int = FINEST,
    ) -> Sized:
        """Find the best split around the one at another volume or speed, if one is known."""
        split = known.sized[option.name].split if option.name in known.sized else None
        if split is None:
            return super().size_near(evaluator, option, known, speed_z, finest)
        speed = speed_of(option, speed_z)
        load = evaluator.volume / speed
        start = known.replicas(option, load)
        replicas = max(1, round(split.size.replicas * load / known.volume))
        size = Size(replicas, split.size.spill_in_flight, speed)
        base_alone: Evaluation | None = None
        if option.replicas is None:
            curve = known.curves.get(option.base.name)
            if curve is not None and speed == 1.0:
                base_alone = size_by_curve(evaluator, option.base, curve)[LIKELY].evaluation
            else:
                base_alone = size_fleet(evaluator, option.base, speed_z, start).evaluation
        return split_near(evaluator, option, size, base_alone, finest)

    def rule(self, evaluation: Evaluation) -> str:
        """Name the API, and the load above which it is called."""
        if evaluation.parts:
            return f"no split pays off: everything goes to {evaluation.parts[0].option.name}"
        api = evaluation.option.api
        assert api is not None, "a hybrid has an API"
        return (
            f"overflow to {api.name} when every replica has "
            f"{evaluation.size.spill_in_flight} requests in flight"
        )
