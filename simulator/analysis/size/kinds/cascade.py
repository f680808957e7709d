"""Cascades: ask one model, check the answer, ask the next when the check turns it away.

Whether a model is right depends on the task's difficulty, which all models share: the next meets
the harder tasks. Every stage is paid for, and nobody sees an answer before its check. A later turn
of a conversation does not wait for the second model's answer, only for the first one's.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.sampling.sample import Sample
from simulator.analysis.simulate.evaluate import Evaluation, Evaluator, success_rate_of
from simulator.analysis.simulate.longrun import Keep, Watch
from simulator.analysis.simulate.outcome import joined
from simulator.analysis.simulate.prompt_transforms import rejects
from simulator.analysis.simulate.tally import Tally
from simulator.analysis.size.correctness import checked_success
from simulator.analysis.size.judging import Sized, judged, margin, meets
from simulator.analysis.size.kinds.contract import OptionKind, kind_of
from simulator.analysis.study.options import Option, SingleOption, Size
from simulator.analysis.study.study import Quality, Study
from simulator.engine.ledger import Ledger
from simulator.engine.records import layout
from simulator.traffic.joining import joined as tables_joined
from simulator.traffic.joining import pruned
from simulator.traffic.table import RequestTable

MORE_REPLICAS = 8
"""Added to a stage of one's own, one by one, when stages that suffice alone are too slow in all."""

Asked = tuple[NDArray[np.uint64], NDArray[np.float64]]
"""Random bits of rows, in rising order, and when their users asked [s]."""


@dataclass(frozen=True, slots=True)
class Cascade(Option):
    """Ask the first; when a check finds the answer wrong, ask the next."""

    name: str
    stages: tuple[SingleOption, ...]
    kind: str

    @property
    def parts(self) -> tuple[SingleOption, ...]:
        """All stages."""
        return self.stages

    def faster(self, factor: float) -> "Cascade":
        """Return the cascade with faster hardware."""
        return replace(self, stages=tuple(stage.faster(factor) for stage in self.stages))

    def require_sizes(self) -> None:
        """Raise InputError if the size of a stage is to be found."""
        for stage in self.stages:
            stage.require_sizes()


class CascadeKind(OptionKind[Cascade]):
    """Models that are asked one after the other, until a check accepts the answer."""

    def size(
        self,
        evaluator: Evaluator,
        option: Cascade,
        speed_z: float = 0.0,
        start: int = 1,
        most: int | None = None,
    ) -> Sized:
        """Size every stage for the requests that reach it, then the cascade as a whole."""
        return size_cascade(evaluator, option, speed_z, start)

    def evaluate_as_written(
        self, evaluator: Evaluator, option: Cascade, keep: Keep | None, watch: Watch | None
    ) -> Evaluation:
        """Simulate the cascade at the stated sizes of its stages."""
        sizes = tuple(stage.given_size for stage in option.stages)
        return evaluate_cascade(evaluator, option, sizes)

    def right_share(self, evaluation: Evaluation, study: Study) -> float | None:
        """Return the share of right answers after all checks; None if a stage's rate is unknown."""
        rates = [success_rate_of(stage) for stage in evaluation.option.parts]
        known = [rate for rate in rates if rate is not None]
        return checked_success(known, study.quality) if len(known) == len(rates) else None

    def rule(self, evaluation: Evaluation) -> str:
        """List the stages in their order."""
        return "ask " + ", then ".join(stage.name for stage in evaluation.option.parts)


@dataclass(frozen=True, slots=True)
class _Stage:
    """One model of a cascade, and what reaches it."""

    option: SingleOption
    reached: Evaluator
    asked: Asked | None
    """None where rows arrive when they are asked."""
    is_last: bool


Plan = tuple[SingleOption, Size]
"""What runs as a stage: its option, or the side of a hybrid that it leaves everything to."""


def size_cascade(evaluator: Evaluator, option: Cascade, speed_z: float, start: int) -> Sized:
    """Size every stage for what reaches it; then add replicas while that helps the whole."""
    slo = evaluator.study.slo
    first, plans = _run(evaluator, option, None, speed_z, start)
    best = first
    for _ in range(MORE_REPLICAS):
        larger = _larger(option, plans)
        if meets(best, slo) or larger == plans:
            break
        missing = -margin(best, slo)
        candidate, plans = _run(evaluator, option, larger)
        if margin(candidate, slo) + missing < missing / MORE_REPLICAS:
            break  # what is slow is not their queue
        best = candidate
    return judged(evaluator, best if meets(best, slo) else first)


def evaluate_cascade(evaluator: Evaluator, option: Cascade, sizes: tuple[Size, ...]) -> Evaluation:
    """Simulate a cascade at the sizes of its stages."""
    return _run(evaluator, option, tuple(zip(option.stages, sizes, strict=True)))[0]


def _larger(option: Cascade, plans: tuple[Plan, ...]) -> tuple[Plan, ...]:
    """One more replica wherever their number is to be found."""
    return tuple(
        (runs, replace(size, replicas=size.replicas + 1))
        if stage.owns_only and not stage.given_size.replicas
        else (runs, size)
        for stage, (runs, size) in zip(option.stages, plans, strict=True)
    )


def _run(
    evaluator: Evaluator,
    option: Cascade,
    plans: tuple[Plan, ...] | None,
    speed_z: float = 0.0,
    start: int = 1,
) -> tuple[Evaluation, tuple[Plan, ...]]:
    """Run all stages, as given or at sizes to be found; returns the whole and what ran."""
    study = evaluator.study
    quality = study.quality
    assert quality is not None, "a study with cascades has a quality"
    # A stage is asked once: to ask it again is another stage.
    once = replace(study, quality=replace(quality, attempts=1))
    sample = evaluator.sample_for(option)
    answers = Tally(study.slo, None, study.epoch_s, sample)
    parts: list[Evaluation] = []
    reached, asked = Evaluator(once, evaluator.volume, sample), None
    for place, model in enumerate(option.stages):
        stage = _Stage(model, reached, asked, place == len(option.stages) - 1)
        if plans is None:
            parts.append(kind_of(model).size(reached, model, speed_z, start).evaluation)
        else:
            parts.append(reached.evaluate(*plans[place]))
        sample, asked = _pass_on(stage, sample, parts[-1].singles[0], quality, answers)
        reached = Evaluator(once, evaluator.volume, sample)
    outcome = joined([part.outcome for part in parts], answers.outcome())
    total = Size(sum(part.size.replicas for part in parts))
    found = Evaluation(option, total, outcome, evaluator, tuple(parts))
    return found, tuple(part.singles[0].plan for part in parts)


def _pass_on(
    stage: _Stage, sample: Sample, ran: Evaluation, quality: Quality, answers: Tally
) -> tuple[Sample, Asked]:
    """Run a stage once more; count the answers that stay, return the requests that go on."""
    random_bits: list[NDArray[np.uint64]] = []
    times_s: list[NDArray[np.float64]] = []
    offered = 0
    for ledger in ran.simulate_again():
        asked_s = _asked_s(stage, ledger)
        turned = _turned_away(stage, ledger, quality)
        checked_s = ledger.finished_s + (0.0 if stage.is_last else quality.check_s)
        answers.add_answers(_seen(stage, ledger, asked_s, turned, checked_s, sample.end_s))
        rows = np.flatnonzero(turned & (checked_s < sample.end_s))
        offered += int(ledger.offered.sum())
        random_bits.append(ledger.table.random_bits[rows])
        times_s.append(np.stack([checked_s[rows], asked_s[rows]]))
    # The next model is asked in its own way: what reached this one goes on, not what it was asked.
    table, asked = _later(sample, np.concatenate(random_bits), np.concatenate(times_s, axis=1))
    return sample.with_requests(table, len(asked[0]) / max(1, offered)), asked


def _asked_s(stage: _Stage, ledger: Ledger) -> NDArray[np.float64]:
    """When the users of a ledger's rows asked [s]. (n_requests,)"""
    if stage.asked is None:
        return ledger.arrival_s
    random_bits, asked_s = stage.asked
    return asked_s[np.searchsorted(random_bits, ledger.table.random_bits)]


def _turned_away(stage: _Stage, ledger: Ledger, quality: Quality) -> NDArray[np.bool_]:
    """Rows whose answers the check sends on. (n_requests,)"""
    if stage.is_last:
        return np.zeros(ledger.table.size, np.bool_)
    rate = success_rate_of(stage.option)
    assert rate is not None, "a cascade's models have success rates"
    return ledger.completed & rejects(ledger.table, stage.option.name, rate, quality)


def _seen(
    stage: _Stage,
    ledger: Ledger,
    asked_s: NDArray[np.float64],
    turned: NDArray[np.bool_],
    checked_s: NDArray[np.float64],
    end_s: float,
) -> Ledger:
    """A stage's ledger as its users see it: from when they asked to an answer that stays.

    What goes on is no answer; what would go on behind the horizon is in flight at its end.
    """
    outcome = np.where(turned, np.int8(layout.ABSENT), ledger.outcome)
    outcome[turned & (checked_s >= end_s)] = layout.IN_FLIGHT
    return replace(
        ledger,
        arrival_s=asked_s,
        outcome=outcome,
        first_token_s=ledger.first_token_s if stage.is_last else checked_s,
        finished_s=checked_s,
    )


def _later(
    sample: Sample, random_bits: NDArray[np.uint64], times_s: NDArray[np.float64]
) -> tuple[RequestTable, Asked]:
    """The requests that go on, by themselves, and when their users asked.

    ``times_s`` are the moments of their checks, and of their users' asking. (2, n_requests)
    """
    by_bits = np.argsort(random_bits)
    random_bits, (checked_s, asked_s) = random_bits[by_bits], times_s[:, by_bits]
    table: RequestTable | None = None
    for chunk, _ in sample.chunks(0):
        chosen = pruned(chunk.take(np.flatnonzero(np.isin(chunk.random_bits, random_bits))))
        if table is None:
            table = chosen
        else:
            table, _ = tables_joined(table, np.ones(table.tree.size, np.bool_), chosen)
    assert table is not None, "a sample has traffic"
    at_s = checked_s[np.searchsorted(random_bits, table.random_bits)]
    order = np.argsort(at_s, kind="stable")
    alone = replace(
        table.take(order),
        arrival_s=at_s[order],
        gap_s=np.full(len(order), np.nan),
        session=np.arange(len(order), dtype=np.int32),
        turn=np.zeros(len(order), np.int32),
    )
    return alone, (random_bits, asked_s)
