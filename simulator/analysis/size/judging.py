"""Whether an option at a size meets the SLO, and why not."""

from dataclasses import dataclass

import numpy as np

from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.study.options import SingleOption
from simulator.analysis.study.study import Slo

SLOW, LIKELY, FAST = 0, 1, 2
"""Classes of hardware by its speed within its error band."""
CLASS_Z = (-1.15, 0.0, 1.15)
"""Scores of the classes: the medians of the slowest quarter of worlds, all, and the fastest."""


@dataclass(frozen=True, slots=True)
class Excuse:
    """Why an option is out."""

    option: str
    reason: str


@dataclass(frozen=True, slots=True)
class Sized:
    """An option's best size, and its excuse when even that misses the SLO."""

    evaluation: Evaluation
    excuse: Excuse | None
    rejected: tuple[Excuse, ...] = ()
    """Other ways to do the same that were looked at, and what spoke against each."""
    split: Evaluation | None = None
    """Of a hybrid, its best split, which it is itself unless no split pays."""

    @property
    def collapsed(self) -> bool:
        """Whether it is a hybrid for which no split pays: one of its sides does everything."""
        return is_collapsed(self.evaluation)

    @property
    def feasible(self) -> bool:
        """Whether the SLO is met."""
        return self.excuse is None


def is_collapsed(evaluation: Evaluation) -> bool:
    """Whether it is of a hybrid that leaves everything to one of its sides."""
    return evaluation.option.owns_and_calls and bool(evaluation.parts)


def speed_at(option: SingleOption, speed_z: float) -> float:
    """Throughput over the predicted one at a standard normal score; 1 for an API."""
    base = option.own
    return 1.0 if base is None else float(base.speed.at(np.array([speed_z]))[0])


def meets(evaluation: Evaluation, slo: Slo) -> bool:
    """Whether enough of the offered requests were within the limits."""
    return margin(evaluation, slo) >= 0


def margin(evaluation: Evaluation, slo: Slo) -> float:
    """How far the share of requests within limits is above what is wanted, where it is least so."""
    met = evaluation.outcome.slo_met
    wanted = {"attainment": slo.attainment, **slo.percentiles}
    return min(met.get(name, 1.0) - share for name, share in wanted.items())


def judged(evaluator: Evaluator, evaluation: Evaluation) -> Sized:
    """Say whether an evaluation meets the SLO, and why not."""
    slo = evaluator.study.slo
    if meets(evaluation, slo):
        return Sized(evaluation, None)
    return Sized(evaluation, Excuse(evaluation.option.name, miss(evaluation, slo)))


def miss(evaluation: Evaluation, slo: Slo) -> str:
    """Say in one line which limit is missed and by how much."""
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
    at = f" at {size.replicas} replicas" if size.replicas else ""
    return (
        f"{evaluation.outcome.attainment:.1%} of requests within targets{at}, "
        f"{', '.join(wanted)} ({', '.join(parts)})"
    )
