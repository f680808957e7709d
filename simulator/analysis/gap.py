"""Why a token costs what it does: from a static calculator's figure to the simulated one.

A calculator divides a rent by a throughput, or multiplies tokens by list prices. Here the same
figure is followed through what the division leaves out, each step a factor on the one before.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from simulator.analysis.capacity import Capacity, slo_capacity
from simulator.analysis.evaluate import Evaluation, Evaluator
from simulator.analysis.options import size_option
from simulator.analysis.search import busy_replicas
from simulator.analysis.study import ApiOption, SelfHostOption
from simulator.pricing.rates import Usage, bill
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
        if isinstance(evaluation.option, ApiOption):
            rungs = calling_rungs(evaluation, evaluator.study.epoch_s)
        elif isinstance(evaluation.option, SelfHostOption):
            replicas = evaluation.size.replicas
            full = slo_capacity(evaluator.study, evaluation.option, replicas, PRECISION)
            rungs = owning_rungs(evaluator, evaluation, full)
        else:
            continue  # of two kinds of cost, each is explained where it stands alone
        excuse = sized.excuse.reason if sized.excuse else None
        found.append(Explanation(option.name, rungs, excuse))
    return found


def owning_rungs(
    evaluator: Evaluator, evaluation: Evaluation, capacity: Capacity
) -> tuple[Rung, ...]:
    """Follow a deployment's cost per million tokens, prompt and output together.

    Parameters
    ----------
    evaluator : Evaluator
        The study at today's volume.
    evaluation : Evaluation
        A selfhost option at its size.
    capacity : Capacity
        Of that many replicas.
    """
    option = evaluation.option
    assert isinstance(option, SelfHostOption)
    mtok = evaluation.outcome.tokens_per_month / MTOK
    replica_usd = option.replica_usd_per_hour * MONTH_HOURS
    study = evaluator.study
    ideal = busy_replicas(evaluator, option) * replica_usd
    full = capacity.replicas * replica_usd / capacity.low if capacity.low else float("nan")
    costs = evaluation.cost_usd(study)
    spares = option.spare_replicas * replica_usd
    gpus = costs["gpus"]
    steps = [
        ("every replica always full, best batching", ideal),
        ("as full as the targets and peaks allow", full),
        ("whole replicas, at today's volume", gpus - spares),
        ("spare replicas", gpus),
        ("engineers", gpus + costs["engineers"]),
        ("tooling and the rest", sum(costs.values())),
    ]
    return tuple(Rung(what, usd / mtok) for what, usd in steps)


def calling_rungs(evaluation: Evaluation, at_s: float) -> tuple[Rung, ...]:
    """Follow a bill from list prices without any cache to what is paid.

    The list price is what a prompt of mean length costs at a moment (Unix seconds) at the option's
    first endpoint.
    """
    outcome, usd = evaluation.outcome, evaluation.outcome.api_usd
    tokens, factor = outcome.tokens, outcome.month_factor
    mtok = outcome.tokens_per_month / MTOK
    prompt_tok = tokens["uncached_input"] + tokens["cache_read"] + tokens["cache_write"]
    option = evaluation.option
    assert isinstance(option, ApiOption)
    mean_tok = prompt_tok / max(1, outcome.requests["completed"])
    whole_prompt = _list_usd(option, at_s, mean_tok) * prompt_tok * factor
    answers = sum(cost for name, cost in usd.items() if name in ("output", "reasoning"))
    visible = tokens["output"] / max(1, tokens["output"] + tokens["reasoning"])
    prompts = sum(cost for name, cost in usd.items() if name not in ("output", "reasoning"))
    steps = [
        ("list prices, visible tokens, no cache", whole_prompt + answers * visible),
        ("reasoning tokens", whole_prompt + answers),
        ("prompt cache, its reads and writes", prompts + answers),
        ("capacity and searches by the month", sum(evaluation.calls_usd.values())),
    ]
    return tuple(Rung(what, cost / mtok) for what, cost in steps)


def _list_usd(option: ApiOption, at_s: float, prompt_tok: float) -> float:
    """Price of a token of a fresh prompt of some length [USD]."""
    endpoint = option.endpoints[0]
    length = np.array([max(1, round(prompt_tok))])
    usage = Usage.of(
        np.array([at_s]),
        uncached_input=length,
        context=np.array([endpoint.context], np.int8),
        content=np.array([endpoint.content], np.int8),
    )
    return float(bill(endpoint.card, usage)["input"][0] / length[0])
