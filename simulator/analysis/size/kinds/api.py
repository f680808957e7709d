"""APIs: every request is a call. An API has no size."""

from simulator.analysis.simulate.evaluate import Evaluator
from simulator.analysis.size.judging import Sized, judge
from simulator.analysis.size.kinds.single import SingleKind
from simulator.analysis.study.options import ApiOption, Size


class ApiKind(SingleKind[ApiOption]):
    """One offer, or several through a gateway."""

    def size(
        self,
        evaluator: Evaluator,
        option: ApiOption,
        speed_z: float = 0.0,
        start: int = 1,
        most: int | None = None,
    ) -> Sized:
        """Simulate the calls and compare their latencies with the targets."""
        return judge(evaluator, evaluator.evaluate(option, Size()))
