"""Cascades: call one model, check the answer, and call the next model if the check rejects it.

Whether an answer is right depends on the difficulty of the task, which all models share: the next
model gets the harder tasks. Every stage is paid for, and users see answers only after the check. A
later turn of a conversation waits for the first model's answer only, not for the next model's.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.sampling.sample import Sample
from simulator.analysis.simulate.evaluate import Evaluation, Evaluator, success_rate_of
from simulator.analysis.simulate.longrun import Keep, Watch
from simulator.analysis.simulate.outcome import combine_outcomes
from simulator.analysis.simulate.prompt_transforms import rejects
from simulator.analysis.simulate.tally import Tally
from simulator.analysis.size.correctness import checked_success
from simulator.analysis.size.judging import Sized, judge, margin, meets
from simulator.analysis.size.kinds.contract import OptionKind, kind_of
from simulator.analysis.study.options import Option, SingleOption, Size
from simulator.analysis.study.study import Quality
from simulator.engine.ledger import Ledger
from simulator.engine.records import layout
from simulator.traffic.joining import append_rows as tables_joined
from simulator.traffic.joining import pruned
from simulator.traffic.table import RequestTable

MORE_REPLICAS = 8
"""Number of replicas added one by one to own stages if the stages meet the targets and the whole
does not."""

SentTimes = tuple[NDArray[np.uint64], NDArray[np.float64]]
"""Random bits of rows, in rising order, and the times at which users sent these requests [s]."""


@dataclass(frozen=True, slots=True)
class Cascade(Option):
    """Models in order: when a check finds an answer wrong, the next model is called."""

    name: str
    stages: tuple[SingleOption, ...]
    """Models in the order in which they are called."""
    kind: str

    @property
    def parts(self) -> tuple[SingleOption, ...]:
        """All stages."""
        return self.stages

    def faster(self, factor: float) -> "Cascade":
        """Return the cascade with faster hardware."""
        return replace(self, stages=tuple(stage.faster(factor) for stage in self.stages))

    def require_sizes(self) -> None:
        """Raise InputError if the size of a stage is left open."""
        for stage in self.stages:
            stage.require_sizes()


class CascadeKind(OptionKind[Cascade]):
    """Models that are called one after the other until a check accepts the answer."""

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

    def correctness(self, evaluation: Evaluation, quality: Quality | None) -> float | None:
        """Return the share of right answers after all checks; None if a stage's rate is unknown."""
        rates = [success_rate_of(stage) for stage in evaluation.option.parts]
        known_rates = [rate for rate in rates if rate is not None]
        return checked_success(known_rates, quality) if len(known_rates) == len(rates) else None

    def rule(self, evaluation: Evaluation) -> str:
        """List the stages in their order."""
        return "ask " + ", then ".join(stage.name for stage in evaluation.option.parts)


@dataclass(frozen=True, slots=True)
class _Stage:
    """One model of a cascade, and the requests that reach it."""

    option: SingleOption
    reached: Evaluator
    """Evaluator of the requests that reach the model."""
    sent: SentTimes | None
    """Times at which users sent these requests; None if they arrive at these times."""
    is_last: bool


StagePlan = tuple[SingleOption, Size]
"""Option and size that the engine runs as a stage; a hybrid without a split runs one of its
sides."""


def size_cascade(evaluator: Evaluator, option: Cascade, speed_z: float, start: int) -> Sized:
    """Size every stage for the requests that reach it, then add replicas while that helps."""
    slo = evaluator.study.slo
    initial, plans = _run_stages(evaluator, option, None, speed_z, start)
    best = initial
    for _ in range(MORE_REPLICAS):
        larger = _with_more_replicas(option, plans)
        if meets(best, slo) or larger == plans:
            break
        shortfall = -margin(best, slo)
        candidate, plans = _run_stages(evaluator, option, larger)
        if margin(candidate, slo) + shortfall < shortfall / MORE_REPLICAS:
            break  # more replicas do not help, so queues are not the cause
        best = candidate
    return judge(evaluator, best if meets(best, slo) else initial)


def evaluate_cascade(evaluator: Evaluator, option: Cascade, sizes: tuple[Size, ...]) -> Evaluation:
    """Simulate a cascade at given sizes of its stages."""
    return _run_stages(evaluator, option, tuple(zip(option.stages, sizes, strict=True)))[0]


def _with_more_replicas(option: Cascade, plans: tuple[StagePlan, ...]) -> tuple[StagePlan, ...]:
    """Return the plans with one more replica in every stage whose number is to be found."""
    return tuple(
        (option_run, replace(size, replicas=size.replicas + 1))
        if stage.owns_only and not stage.given_size.replicas
        else (option_run, size)
        for stage, (option_run, size) in zip(option.stages, plans, strict=True)
    )


def _run_stages(
    evaluator: Evaluator,
    option: Cascade,
    plans: tuple[StagePlan, ...] | None,
    speed_z: float = 0.0,
    start: int = 1,
) -> tuple[Evaluation, tuple[StagePlan, ...]]:
    """Run all stages at given sizes or sizes to be found; return the evaluation and what ran."""
    study = evaluator.study
    quality = study.quality
    assert quality is not None, "a study with cascades has a quality"
    # A stage calls its model once; another attempt by the same model would be another stage.
    single_attempt = replace(study, quality=replace(quality, attempts=1))
    sample = evaluator.sample_for(option)
    answers = Tally(study.slo, None, study.epoch_s, sample)
    parts: list[Evaluation] = []
    reached, sent = Evaluator(single_attempt, evaluator.volume, sample), None
    for index, model in enumerate(option.stages):
        stage = _Stage(model, reached, sent, index == len(option.stages) - 1)
        if plans is None:
            parts.append(kind_of(model).size(reached, model, speed_z, start).evaluation)
        else:
            parts.append(reached.evaluate(*plans[index]))
        sample, sent = _escalate(stage, sample, parts[-1].singles[0], quality, answers)
        reached = Evaluator(single_attempt, evaluator.volume, sample)
    outcome = combine_outcomes([part.outcome for part in parts], answers.outcome())
    total = Size(sum(part.size.replicas for part in parts))
    evaluation = Evaluation(option, total, outcome, evaluator, tuple(parts))
    return evaluation, tuple(part.singles[0].plan for part in parts)


def _escalate(
    stage: _Stage, sample: Sample, evaluation: Evaluation, quality: Quality, answers: Tally
) -> tuple[Sample, SentTimes]:
    """Run a stage again; count its accepted answers and return the requests that it escalates."""
    random_bits: list[NDArray[np.uint64]] = []
    times_s: list[NDArray[np.float64]] = []
    offered = 0
    for ledger in evaluation.simulate_again():
        sent_s = _sent_times_s(stage, ledger)
        is_rejected = _rejected_rows(stage, ledger, quality)
        checked_s = ledger.finished_s + (0.0 if stage.is_last else quality.check_s)
        answers.add_answers(
            _ledger_for_users(stage, ledger, sent_s, is_rejected, checked_s, sample.end_s)
        )
        rows = np.flatnonzero(is_rejected & (checked_s < sample.end_s))
        offered += int(ledger.offered.sum())
        random_bits.append(ledger.table.random_bits[rows])
        times_s.append(np.stack([checked_s[rows], sent_s[rows]]))
    # The next model transforms prompts in its own way: the requests that reached this stage are
    # passed on, not the calls that it made of them.
    table, sent = _escalated_requests(
        sample, np.concatenate(random_bits), np.concatenate(times_s, axis=1)
    )
    return sample.with_requests(table, len(sent[0]) / max(1, offered)), sent


def _sent_times_s(stage: _Stage, ledger: Ledger) -> NDArray[np.float64]:
    """Return the times at which the users sent a ledger's requests. (n_requests,)"""
    if stage.sent is None:
        return ledger.arrival_s
    random_bits, sent_s = stage.sent
    return sent_s[np.searchsorted(random_bits, ledger.table.random_bits)]


def _rejected_rows(stage: _Stage, ledger: Ledger, quality: Quality) -> NDArray[np.bool_]:
    """Return the rows whose answers the check rejects. (n_requests,)"""
    if stage.is_last:
        return np.zeros(ledger.table.size, np.bool_)
    rate = success_rate_of(stage.option)
    assert rate is not None, "a cascade's models have success rates"
    return ledger.completed & rejects(ledger.table, stage.option.name, rate, quality)


def _ledger_for_users(
    stage: _Stage,
    ledger: Ledger,
    sent_s: NDArray[np.float64],
    is_rejected: NDArray[np.bool_],
    checked_s: NDArray[np.float64],
    end_s: float,
) -> Ledger:
    """Return a stage's ledger as its users see it: from the first request to the accepted answer.

    Escalated rows are no answers. Those that would be escalated after the end of the horizon are in
    flight at its end.
    """
    outcome = np.where(is_rejected, np.int8(layout.ABSENT), ledger.outcome)
    outcome[is_rejected & (checked_s >= end_s)] = layout.IN_FLIGHT
    return replace(
        ledger,
        arrival_s=sent_s,
        outcome=outcome,
        first_token_s=ledger.first_token_s if stage.is_last else checked_s,
        finished_s=checked_s,
    )


def _escalated_requests(
    sample: Sample, random_bits: NDArray[np.uint64], times_s: NDArray[np.float64]
) -> tuple[RequestTable, SentTimes]:
    """Return the escalated requests as single requests, and the times at which users sent them.

    ``times_s`` contains the times of their checks, and of their users' requests. (2, n_requests)
    """
    by_bits = np.argsort(random_bits)
    random_bits, (checked_s, sent_s) = random_bits[by_bits], times_s[:, by_bits]
    table: RequestTable | None = None
    for chunk, _ in sample.chunks(0):
        chosen = pruned(chunk.take(np.flatnonzero(np.isin(chunk.random_bits, random_bits))))
        if table is None:
            table = chosen
        else:
            table, _ = tables_joined(table, np.ones(table.tree.size, np.bool_), chosen)
    assert table is not None, "a sample has traffic"
    arrival_s = checked_s[np.searchsorted(random_bits, table.random_bits)]
    order = np.argsort(arrival_s, kind="stable")
    single_requests = replace(
        table.take(order),
        arrival_s=arrival_s[order],
        gap_s=np.full(len(order), np.nan),
        session=np.arange(len(order), dtype=np.int32),
        turn=np.zeros(len(order), np.int32),
    )
    return single_requests, (random_bits, sent_s)
