"""Why a token costs what it does: from a static calculator's figure to the simulated one.

A calculator divides a rent by a throughput, or multiplies tokens by list prices. Here the same
figure is followed through what the division leaves out, each step a factor on the one before.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from simulator.analysis.commands.capacity import Capacity, slo_capacity
from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.simulate.tally import Tokens, repriced_usd
from simulator.analysis.size.options import size_option
from simulator.units import MONTH_HOURS, MTOK

PRECISION = 0.1
"""Of the capacity that a step is reckoned from."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One step from the static figure to the real one."""

    what: str
    usd_per_mtok: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """All steps of one option."""

    option: str
    rungs: tuple[Rung, ...]
    excuse: str | None
    """Why it misses the SLO even so."""


def explained(
    evaluator: Evaluator, tell: Callable[[int, int], None] = lambda done, of: None
) -> list[Explanation]:
    """Explain every option of a study that only calls, or only owns, at its best size.

    ``tell`` is told how many options have been looked at, and of how many.
    """
    found = []
    for place, option in enumerate(evaluator.study.options):
        tell(place, len(evaluator.study.options))
        sized = size_option(evaluator, option)
        evaluation = sized.evaluation
        own = evaluation.option.own
        if evaluation.option.calls_only:
            rungs = calling_rungs(evaluator, evaluation)
        elif own is not None and evaluation.option.owns_only:
            full = None
            if own.is_constant:
                full = slo_capacity(evaluator.study, own, evaluation.size.replicas, PRECISION)
            rungs = owning_rungs(evaluator, evaluation, full)
        else:
            continue  # of two kinds of cost, each is explained where it stands alone
        excuse = sized.excuse.reason if sized.excuse else None
        found.append(Explanation(option.name, rungs, excuse))
    return found


def owning_rungs(
    evaluator: Evaluator, evaluation: Evaluation, capacity: Capacity | None
) -> tuple[Rung, ...]:
    """Follow a deployment's cost per million tokens, prompt and output together.

    Parameters
    ----------
    evaluator : Evaluator
        The study at today's volume.
    evaluation : Evaluation
        A selfhost option at its size.
    capacity : Capacity, optional
        Of that many replicas; None where they come and go.
    """
    option = evaluation.option.own
    assert option is not None, "a deployment is explained"
    mtok = evaluation.outcome.tokens_per_month / MTOK
    replica_usd = option.replica_usd_per_hour * MONTH_HOURS
    study = evaluator.study
    ideal = evaluator.busy_replicas(option) * replica_usd
    costs = evaluation.cost_usd(study)
    spares = option.spare_replicas * replica_usd
    gpus = costs["gpus"]
    steps = [
        ("every replica always full, best batching", ideal),
        *_full(capacity, replica_usd),
        ("whole replicas, at today's volume", gpus - spares),
        ("spare replicas", gpus),
        ("engineers", gpus + costs["engineers"]),
        ("tooling and the rest", sum(costs.values())),
    ]
    return tuple(Rung(what, usd / mtok) for what, usd in steps)


def _full(capacity: Capacity | None, replica_usd: float) -> list[tuple[str, float]]:
    """The cost of today's volume at replicas that carry as much as they can."""
    if capacity is None or not capacity.low:
        return []
    usd = capacity.replicas * replica_usd / capacity.low
    return [("as full as the targets and peaks allow", usd)]


def calling_rungs(evaluator: Evaluator, evaluation: Evaluation) -> tuple[Rung, ...]:
    """Follow a bill from list prices without any cache to what is paid.

    Every call is priced once more as if no prompt had been cached, and as if nothing had been
    thought.
    """
    option, outcome = evaluation.option.api, evaluation.outcome
    assert option is not None, "an API is explained"
    epoch_s = evaluator.study.epoch_s
    fresh = thoughtless = 0.0
    for ledger in evaluation.simulate_again():
        weight = np.where(ledger.offered, evaluation.sample.weight_of(ledger.arrival_s), 0.0)
        fresh += repriced_usd(ledger, option, weight, epoch_s, _uncached)
        thoughtless += repriced_usd(ledger, option, weight, epoch_s, _visible)
    mtok = outcome.tokens_per_month / MTOK
    fee = outcome.api_usd.get("gateway_fee", 0.0)
    calls = sum(outcome.api_usd.values())
    steps = [
        ("list prices, visible tokens, no cache", thoughtless * outcome.month_factor),
        ("reasoning tokens", fresh * outcome.month_factor),
        ("prompt cache, its reads and writes", calls - fee),
        ("the gateway's fee", calls),
        ("capacity and searches by the month", sum(evaluation.calls_usd.values())),
    ]
    return tuple(Rung(what, cost / mtok) for what, cost in steps)


def _uncached(tokens: Tokens) -> Tokens:
    prompt = tokens["uncached_input"] + tokens["cache_read"] + tokens["cache_write"]
    none = np.zeros_like(prompt)
    return {**tokens, "uncached_input": prompt, "cache_read": none, "cache_write": none}


def _visible(tokens: Tokens) -> Tokens:
    return {**_uncached(tokens), "reasoning": np.zeros_like(tokens["reasoning"])}
