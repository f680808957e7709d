"""Why a token costs what it does: from a static calculator's figure to the simulated one.

A calculator divides a rent by a throughput, or multiplies tokens by list prices. Here the same
figure is followed through what the division leaves out, each step a factor on the one before.
"""

from dataclasses import dataclass

from simulator.analysis.capacity import Capacity, slo_capacity
from simulator.analysis.evaluate import Evaluation, Evaluator
from simulator.analysis.options import size_option
from simulator.analysis.search import busy_replicas
from simulator.analysis.study import ApiOption, SelfHostOption
from simulator.units import MONTH_HOURS, MTOK

PRECISION = 0.05
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


def explained(evaluator: Evaluator) -> list[Explanation]:
    """Explain every option of a study that only calls, or only owns, at its best size."""
    found = []
    for option in evaluator.study.options:
        sized = size_option(evaluator, option)
        evaluation = sized.evaluation
        if isinstance(evaluation.option, ApiOption):
            rungs = calling_rungs(evaluation)
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
    replica_usd = option.gpus_per_replica * option.gpu_usd_per_hour.mid * MONTH_HOURS
    study = evaluator.study
    ideal = busy_replicas(evaluator, option.fleet) * replica_usd
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


def calling_rungs(evaluation: Evaluation) -> tuple[Rung, ...]:
    """Follow a bill from list prices without any cache to what is paid."""
    outcome, usd = evaluation.outcome, evaluation.outcome.api_usd
    factor = outcome.month_factor
    mtok = outcome.tokens_per_month / MTOK
    tokens = outcome.tokens
    plain_tok = tokens["uncached_input"]
    prompt_tok = plain_tok + tokens["cache_read"] + tokens["cache_write"]
    input_usd = usd.get("input", 0.0)
    per_tok = input_usd / (plain_tok * factor) if plain_tok else 0.0
    answers = sum(cost for name, cost in usd.items() if name in ("output", "reasoning"))
    visible = tokens["output"] / max(1, tokens["output"] + tokens["reasoning"])
    whole_prompt = per_tok * prompt_tok * factor
    cached = sum(cost for name, cost in usd.items() if name not in ("output", "reasoning"))
    steps = [
        ("list prices, visible tokens, no cache", whole_prompt + answers * visible),
        ("reasoning tokens", whole_prompt + answers),
        ("prompt cache, its reads and writes", cached + answers),
        ("capacity and fees by the month", sum(evaluation.calls_usd.values())),
    ]
    return tuple(Rung(what, cost / mtok) for what, cost in steps)
