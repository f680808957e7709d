"""Right answers: what checks, further attempts and further models make of success rates."""

from collections.abc import Sequence

import numpy as np

from simulator.analysis.quality.difficulty import success_given, task_grid
from simulator.analysis.simulate.evaluate import Evaluation, success_rate_of
from simulator.analysis.study.study import (
    Cascade,
    HybridOption,
    Quality,
    SingleOption,
    Study,
    api_part,
    self_hosted_part,
)


def right_share(evaluation: Evaluation, study: Study) -> float | None:
    """Share of an option's requests that are answered rightly in the end; None if unknown."""
    option = evaluation.option
    if isinstance(option, Cascade):
        rates = [success_rate_of(stage) for stage in option.stages]
        known = [rate for rate in rates if rate is not None]
        return checked_success(known, study.quality) if len(known) == len(rates) else None
    if not evaluation.parts:
        assert isinstance(option, SingleOption)
        return _single(option, evaluation.outcome.self_hosted_share, study.quality)
    return _of_parts(evaluation, study)


def _of_parts(evaluation: Evaluation, study: Study) -> float | None:
    """Mean over parts that share requests out, by their requests."""
    right, requests = 0.0, 0.0
    for part in evaluation.parts:
        share = right_share(part, study)
        if share is None:
            return None
        count = part.outcome.requests["offered"] * part.outcome.month_factor
        count /= part.calls_per_request
        right, requests = right + share * count, requests + count
    return right / requests if requests else None


def _single(option: SingleOption, own_share: float, quality: Quality | None) -> float | None:
    """Of a hybrid whose parts differ: their mean, by the tokens that each serves."""
    attempts = quality.attempts if quality is not None else 1
    rate = success_rate_of(option)
    if rate is not None:
        return checked_success([rate] * attempts, quality)
    if not isinstance(option, HybridOption):
        return None
    own, bought = self_hosted_part(option), api_part(option)
    rates = [part.success_rate for part in (own, bought) if part is not None]
    if None in rates or attempts > 1:
        return None
    return float(np.dot([own_share, 1 - own_share], [r for r in rates if r is not None]))


def checked_success(rates: Sequence[float], quality: Quality | None) -> float:
    """Share of tasks that end with a right answer when each is checked and the last one is kept.

    ``rates`` are those of the calls in their order, over all tasks. At a given difficulty the
    calls are independent: a call's answer stays when it is right and raises no false alarm, or is
    wrong and is not caught; the last one stays in any case. Averaged over tasks.
    """
    if quality is None:
        return rates[0]
    difficulty, weights = task_grid(rates, quality.correlation)
    asked, right = np.ones(len(difficulty)), np.zeros(len(difficulty))
    for place, rate in enumerate(rates):
        p = success_given(difficulty, rate, quality.correlation)
        if place == len(rates) - 1:
            right += asked * p
            break
        right += asked * p * (1 - quality.false_alarms)
        asked = asked * (p * quality.false_alarms + (1 - p) * quality.catches)
    return float(weights @ right)
