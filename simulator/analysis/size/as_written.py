"""Options at exactly the sizes that a scenario gives."""

from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.simulate.longrun import Keep, Watch, evaluate_whole
from simulator.analysis.simulate.planning import given_size
from simulator.analysis.size.assignment import evaluate_pools
from simulator.analysis.size.cascade import evaluate_cascade
from simulator.analysis.study.study import (
    ApiOption,
    Cascade,
    Choice,
    HybridOption,
    Option,
    Pools,
    single_options,
)
from simulator.errors import InputError


def check_is_given(option: Option) -> None:
    """Raise InputError when a size, or a choice, is left to be found."""
    if isinstance(option, Choice):
        raise InputError(f"options.{option.name}.choose: simulate searches nothing")
    if isinstance(option, Pools):
        _require_assigned(option)
    for single in single_options(option):
        if not isinstance(single, ApiOption):
            _require(single.name, "replicas", single.replicas)
        if isinstance(single, HybridOption):
            _require(single.name, "spill_in_flight", single.spill_in_flight)


def evaluate_as_given(
    evaluator: Evaluator, option: Option, keep: Keep | None, watch: Watch | None
) -> Evaluation:
    """Evaluate an option that passed ``check_is_given``."""
    if isinstance(option, Pools):
        assigned = tuple(pool for pool in option.assigned if pool is not None)
        return evaluate_pools(evaluator, option, assigned)
    if isinstance(option, Cascade):
        return evaluate_cascade(evaluator, option, tuple(map(given_size, option.stages)))
    assert not isinstance(option, Choice)
    return evaluate_whole(evaluator, option, given_size(option), keep, watch)


def _require(option: str, field: str, value: int | None) -> None:
    if value is None:
        raise InputError(
            f"options.{option}.{field}: simulate searches nothing, give a number "
            f"(for example --set options.{option}.{field}=2)"
        )


def _require_assigned(option: Pools) -> None:
    if None in option.assigned:
        raise InputError(
            f"options.{option.name}.assign: simulate searches nothing, name a pool for every "
            "workload"
        )
