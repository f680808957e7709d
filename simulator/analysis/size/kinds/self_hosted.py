"""Self-hosted options: every request is served by own replicas."""

from simulator.analysis.simulate.evaluate import Evaluator
from simulator.analysis.size.fleets import size_fleet
from simulator.analysis.size.judging import Sized
from simulator.analysis.size.kinds.single import SingleKind
from simulator.analysis.study.options import SelfHostOption


class SelfHostKind(SingleKind[SelfHostOption]):
    """One deployment, with its partners."""

    def size(
        self,
        evaluator: Evaluator,
        option: SelfHostOption,
        speed_z: float = 0.0,
        start: int = 1,
        most: int | None = None,
    ) -> Sized:
        """Find the fewest replicas that meet the targets."""
        return size_fleet(evaluator, option, speed_z, start, most)
