"""Common behaviour of the three kinds that the engine runs directly."""

from typing import TypeVar

import numpy as np

from simulator.analysis.simulate.evaluate import Evaluation, Evaluator, success_rate_of
from simulator.analysis.simulate.longrun import Keep, Watch, evaluate_whole
from simulator.analysis.size.correctness import checked_success
from simulator.analysis.size.judging import Sized
from simulator.analysis.size.kinds.contract import KnownSizes, OptionKind
from simulator.analysis.size.splitting import SETTLED_FINEST
from simulator.analysis.study.options import SingleOption
from simulator.analysis.study.study import Quality

S = TypeVar("S", bound=SingleOption)


class SingleKind(OptionKind[S]):
    """An option that the engine runs directly."""

    def settle(self, careful: Evaluator, option: S, rough: Sized, known: KnownSizes) -> Sized:
        """Search near the size by the smaller sample, at the finest resolution."""
        return self.size_near(careful, option, known, finest=SETTLED_FINEST)

    def evaluate_as_written(
        self, evaluator: Evaluator, option: S, keep: Keep | None, watch: Watch | None
    ) -> Evaluation:
        """Simulate the option at its stated size, over the whole horizon."""
        return evaluate_whole(evaluator, option, option.given_size, keep, watch)

    def correctness(self, evaluation: Evaluation, quality: Quality | None) -> float | None:
        """Return the share of right answers after all attempts; None if it is unknown."""
        if evaluation.parts:
            return super().correctness(evaluation, quality)
        option = evaluation.option
        attempts = quality.attempts if quality is not None else 1
        rate = success_rate_of(option)
        if rate is not None:
            return checked_success([rate] * attempts, quality)
        own, api = option.own, option.api
        if own is None or api is None or own.success_rate is None or api.success_rate is None:
            return None
        if attempts > 1:
            return None
        # The two sides of a hybrid, weighted by the tokens that they serve.
        own_share = evaluation.outcome.self_hosted_share
        return float(np.dot([own_share, 1 - own_share], [own.success_rate, api.success_rate]))

    def rule(self, evaluation: Evaluation) -> str:
        """Name the option that serves all requests."""
        return f"everything goes to {evaluation.option.name}"
