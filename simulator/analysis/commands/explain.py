"""Why a token costs what it does: from a static calculator's figure to the simulated one.

A static calculator divides a rent by a throughput, or multiplies tokens by list prices. Here one
omission after another is added to this figure; each step is a factor on the one before.
"""

from dataclasses import dataclass

import numpy as np

from simulator.analysis.commands.capacity import Capacity, slo_capacity
from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.simulate.tally import Tokens, repriced_usd
from simulator.analysis.size.options import size_option
from simulator.callbacks import Tell, ignore_progress
from simulator.units import MONTH_HOURS, MTOK

PRECISION = 0.1
"""Relative precision of the capacity from which a step is computed."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One step from the static figure to the simulated one."""

    what: str
    """Description of the step."""
    usd_per_mtok: float
    """Cost per million tokens once this step is included [USD]."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """All steps of one option."""

    option: str
    """Name of the option."""
    rungs: tuple[Rung, ...]
    """Steps in their order."""
    excuse: str | None
    """Reason why the option misses the targets even at its best size; None: it meets them."""


def explain_options(evaluator: Evaluator, tell: Tell = ignore_progress) -> list[Explanation]:
    """Explain every option of a study that only calls, or only owns, at its best size.

    ``tell`` receives the number of options finished so far, and their total number.
    """
    explanations = []
    for index, option in enumerate(evaluator.study.options):
        tell(index, len(evaluator.study.options))
        sized = size_option(evaluator, option)
        evaluation = sized.evaluation
        own = evaluation.option.own
        if evaluation.option.calls_only:
            rungs = calling_rungs(evaluator, evaluation)
        elif own is not None and evaluation.option.owns_only:
            capacity = None
            if own.is_constant:
                capacity = slo_capacity(evaluator.study, own, evaluation.size.replicas, PRECISION)
            rungs = owning_rungs(evaluator, evaluation, capacity)
        else:
            continue  # a mixed option: its two kinds of cost are explained in options of one kind
        excuse = sized.excuse.reason if sized.excuse else None
        explanations.append(Explanation(option.name, rungs, excuse))
    return explanations


def owning_rungs(
    evaluator: Evaluator, evaluation: Evaluation, capacity: Capacity | None
) -> tuple[Rung, ...]:
    """Explain a deployment's cost per million tokens, prompt and output together.

    Parameters
    ----------
    evaluator : Evaluator
        The study at today's volume.
    evaluation : Evaluation
        A self-hosted option at its size.
    capacity : Capacity, optional
        Capacity of that number of replicas; None if the number varies.
    """
    option = evaluation.option.own
    assert option is not None, "a deployment is explained"
    mtok = evaluation.outcome.tokens_per_month / MTOK
    replica_usd = option.replica_usd_per_hour * MONTH_HOURS
    study = evaluator.study
    ideal_usd = evaluator.busy_replicas(option) * replica_usd
    costs = evaluation.cost_usd(study)
    spares_usd = option.spare_replicas * replica_usd
    gpus_usd = costs["gpus"]
    steps = [
        ("every replica always full, best batching", ideal_usd),
        *_full_replicas(capacity, replica_usd),
        ("whole replicas, at today's volume", gpus_usd - spares_usd),
        ("spare replicas", gpus_usd),
        ("engineers", gpus_usd + costs["engineers"]),
        ("tooling and the rest", sum(costs.values())),
    ]
    return tuple(Rung(what, usd / mtok) for what, usd in steps)


def _full_replicas(capacity: Capacity | None, replica_usd: float) -> list[tuple[str, float]]:
    """Return the step to replicas that carry as much as they can within the targets."""
    if capacity is None or not capacity.low:
        return []
    usd = capacity.replicas * replica_usd / capacity.low
    return [("as full as the targets and peaks allow", usd)]


def calling_rungs(evaluator: Evaluator, evaluation: Evaluation) -> tuple[Rung, ...]:
    """Explain a bill, from list prices without any cache to what is paid.

    Every call is priced again as if no prompt had been cached, and as if there had been no
    reasoning tokens.
    """
    option, outcome = evaluation.option.api, evaluation.outcome
    assert option is not None, "an API is explained"
    epoch_s = evaluator.study.epoch_s
    uncached_usd = visible_usd = 0.0
    for ledger in evaluation.simulate_again():
        weight = np.where(ledger.offered, evaluation.sample.weight_of(ledger.arrival_s), 0.0)
        uncached_usd += repriced_usd(ledger, option, weight, epoch_s, _uncached)
        visible_usd += repriced_usd(ledger, option, weight, epoch_s, _visible)
    mtok = outcome.tokens_per_month / MTOK
    fee = outcome.api_usd.get("gateway_fee", 0.0)
    calls = sum(outcome.api_usd.values())
    steps = [
        ("list prices, visible tokens, no cache", visible_usd * outcome.month_factor),
        ("reasoning tokens", uncached_usd * outcome.month_factor),
        ("prompt cache, its reads and writes", calls - fee),
        ("the gateway's fee", calls),
        ("capacity and searches by the month", sum(evaluation.calls_usd.values())),
    ]
    return tuple(Rung(what, cost / mtok) for what, cost in steps)


def _uncached(tokens: Tokens) -> Tokens:
    """Return token counts as if no prompt had been cached."""
    prompt = tokens["uncached_input"] + tokens["cache_read"] + tokens["cache_write"]
    zeros = np.zeros_like(prompt)
    return {**tokens, "uncached_input": prompt, "cache_read": zeros, "cache_write": zeros}


def _visible(tokens: Tokens) -> Tokens:
    """Return token counts as if nothing had been cached and there had been no reasoning."""
    return {**_uncached(tokens), "reasoning": np.zeros_like(tokens["reasoning"])}
