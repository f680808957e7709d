"""Whether an option at a size meets the targets, and the reason if it does not."""

from dataclasses import dataclass

import numpy as np

from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.study.options import SingleOption
from simulator.analysis.study.study import Slo

SLOW, LIKELY, FAST = 0, 1, 2
"""Classes of hardware by its speed within its error band."""
CLASS_Z = (-1.15, 0.0, 1.15)
"""Scores of the classes: medians of the slowest quarter of draws, of all, and of the fastest
quarter."""


@dataclass(frozen=True, slots=True)
class Excuse:
    """The reason why an option is not feasible."""

    option: str
    reason: str


@dataclass(frozen=True, slots=True)
class Sized:
    """The best size of an option, with an excuse if even that misses the targets."""

    evaluation: Evaluation
    excuse: Excuse | None
    """Reason why the option is not feasible; None: it is feasible."""
    rejected: tuple[Excuse, ...] = ()
    """Candidates that were not chosen, each with the reason."""
    split: Evaluation | None = None
    """Best split of a hybrid, which differs from ``evaluation`` only if no split pays."""

    @property
    def collapsed(self) -> bool:
        """Whether this is a hybrid whose best size leaves all requests to one side."""
        return is_collapsed(self.evaluation)

    @property
    def feasible(self) -> bool:
        """Whether the targets are met."""
        return self.excuse is None


def is_collapsed(evaluation: Evaluation) -> bool:
    """Return whether an evaluation is of a hybrid that leaves all requests to one side."""
    return evaluation.option.owns_and_calls and bool(evaluation.parts)


def speed_at(option: SingleOption, speed_z: float) -> float:
    """Return the throughput relative to the prediction at a standard normal score; 1 for an API."""
    base = option.own
    return 1.0 if base is None else float(base.speed.at(np.array([speed_z]))[0])


def meets(evaluation: Evaluation, slo: Slo) -> bool:
    """Return whether enough of the offered requests are within the limits."""
    return margin(evaluation, slo) >= 0


def margin(evaluation: Evaluation, slo: Slo) -> float:
    """Return how far attainment is above its target, for the target with the smallest margin."""
    met = evaluation.outcome.slo_met
    wanted = {"attainment": slo.attainment, **slo.percentiles}
    return min(met.get(name, 1.0) - share for name, share in wanted.items())


def judge(evaluator: Evaluator, evaluation: Evaluation) -> Sized:
    """Return an evaluation with the reason if it misses the targets."""
    slo = evaluator.study.slo
    if meets(evaluation, slo):
        return Sized(evaluation, None)
    return Sized(evaluation, Excuse(evaluation.option.name, describe_miss(evaluation, slo)))


def describe_miss(evaluation: Evaluation, slo: Slo) -> str:
    """Describe in one line which limits are missed and by how much."""
    met = evaluation.outcome.slo_met
    parts = [
        f"{name.removesuffix('_s').upper()} <= {getattr(slo, name):g} s for {met[name]:.1%}"
        for name in ("ttft_s", "tpot_s", "e2e_s")
        if name in met
    ]
    if "deadline" in met:
        parts.append(f"deadlines for {met['deadline']:.1%}")
    size = evaluation.size
    wanted = [f"{slo.attainment:.1%} wanted"]
    wanted += [f"{s:.1%} for {n.removesuffix('_s').upper()}" for n, s in slo.percentiles.items()]
    replicas = f" at {size.replicas} replicas" if size.replicas else ""
    return (
        f"{evaluation.outcome.attainment:.1%} of requests within targets{replicas}, "
        f"{', '.join(wanted)} ({', '.join(parts)})"
    )
