"""Evaluation of one option at one size and one volume: simulated, measured and priced."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from simulator.analysis.sampling.sample import LEAST_WARM_UP_S, Lens, Need, Sample, lifetime_s
from simulator.analysis.sampling.sampler import Sampler, preview_requests
from simulator.analysis.simulate.outcome import Outcome
from simulator.analysis.simulate.planning import scaled_plan
from simulator.analysis.simulate.prompt_transforms import apply_reshaping, repeat_rejected
from simulator.analysis.simulate.tally import Tally
from simulator.analysis.simulate.work import least_work_s
from simulator.analysis.study.options import Option, Reshaping, SelfHostOption, SingleOption, Size
from simulator.analysis.study.study import Study
from simulator.engine.ledger import Ledger
from simulator.engine.run import serve_chunks
from simulator.traffic.table import RequestTable
from simulator.units import MONTH_HOURS

LATE = 0.5
"""Share of a span's requests within the targets, below which its queue probably began before it."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An option at a size, and the outcome of its simulation."""

    option: Option
    size: Size
    """Size of the option; for a composite option, the replicas of all its parts."""
    outcome: Outcome
    evaluator: "Evaluator" = field(repr=False)
    """Evaluator that simulated the option and can simulate it again."""
    parts: tuple["Evaluation", ...] = ()
    """Evaluations of the parts of a composite option."""
    workloads: tuple[str, ...] = ()
    """Workloads that a pool serves; empty for other options."""
    calls_per_request: float = 1.0
    """Calls, which the outcome counts as requests, for each request of the traffic."""

    @property
    def singles(self) -> "tuple[Evaluation, ...]":
        """Evaluations of the options that the engine ran: this one, or those of its parts."""
        if not self.parts:
            return (self,)
        return tuple(single for part in self.parts for single in part.singles)

    def simulate_again(self) -> Iterator[Ledger]:
        """Simulate a single option again and return the pieces of its ledger."""
        return self.evaluator.simulate(*self.plan)

    def with_replicas(self, replicas: int) -> "Evaluation":
        """Return the evaluation with another number of replicas paid for, in a constant fleet."""
        spread = replicas / self.size.replicas
        return replace(
            self,
            size=replace(self.size, replicas=replicas),
            outcome=replace(
                self.outcome,
                owned_replicas=(float(replicas), *self.outcome.owned_replicas[1:]),
                max_replicas=(replicas, *self.outcome.max_replicas[1:]),
                utilisation=self.outcome.utilisation and self.outcome.utilisation / spread,
            ),
        )

    @property
    def sample(self) -> Sample:
        """Requests that were simulated, for a single option."""
        assert isinstance(self.option, SingleOption)
        return self.evaluator.sample(self.option)

    @property
    def plan(self) -> tuple[SingleOption, Size]:
        """Option and size that the engine ran, for a single option."""
        assert isinstance(self.option, SingleOption)
        return self.option, self.size

    @property
    def owned(self) -> list[tuple[SelfHostOption, float]]:
        """Deployments with their mean number of replicas paid for, including spares."""
        return [owned for single in self.singles for owned in _owned(single)]

    @property
    def calls_usd(self) -> dict[str, float]:
        """Cost of calls, reserved capacity and retrieval, by component [USD/month]."""
        usd: dict[str, float] = {}
        for single in self.singles:
            for bucket, cost in single.outcome.api_usd.items():
                usd[f"api_{bucket}"] = usd.get(f"api_{bucket}", 0.0) + cost
            api = single.option.api
            if api is not None and api.fixed_usd_per_month:
                usd["api_fixed"] = usd.get("api_fixed", 0.0) + api.fixed_usd_per_month
            searches = retrieval_usd(single)
            if searches:
                usd["retrieval"] = usd.get("retrieval", 0.0) + searches
        return usd

    def cost_usd(self, study: Study) -> dict[str, float]:
        """Cost by component at the most likely rates [USD/month]."""
        usd = self.calls_usd
        if self.owned:
            usd |= study.people.likely.per_month_usd(self.hardware_usd / MONTH_HOURS)
        return usd

    @property
    def hardware_usd(self) -> float:
        """Most likely cost of all accelerators [USD/month]."""
        return sum(n * d.replica_usd_per_hour for d, n in self.owned) * MONTH_HOURS

    def total_usd(self, study: Study) -> float:
        """Total cost at the most likely rates [USD/month]."""
        return sum(self.cost_usd(study).values())


def _owned(single: Evaluation) -> list[tuple[SelfHostOption, float]]:
    means, most = single.outcome.owned_replicas, single.outcome.max_replicas
    return [
        (d, (means[k] if d.purchase is None else most[k]) + d.spare_replicas)
        for k, d in enumerate(single.option.deployments)
    ]


def retrieval_usd(single: Evaluation) -> float:
    """Return the cost of the searches before an option's calls [USD/month]."""
    reshaping = reshaping_of(single.option)
    if reshaping is None or not reshaping.retrieval_usd:
        return 0.0
    calls = single.outcome.requests["offered"] * single.outcome.month_factor
    return calls / single.calls_per_request * reshaping.retrieval_usd


class Evaluator:
    """Evaluates options at one volume; draws the traffic once and stores every outcome."""

    def __init__(
        self,
        study: Study,
        volume: float,
        sampler: Sampler | Sample | None = None,
        lenses: tuple[tuple[Lens, float | None], ...] = (),
    ) -> None:
        self.study = study
        self.volume = volume
        self.sampler = sampler or Sampler(study)
        """Sampler that draws the samples, or the only sample."""
        self._lenses = lenses
        # Outcomes, not evaluations: these refer to their evaluator, and such cycles stay in memory.
        self._outcomes: dict[tuple[str, Size], Outcome] = {}
        self._lensed: dict[str, Evaluator] = {}
        self._whole_instead: dict[tuple[str, Size], Evaluator] = {}
        """Evaluators of the whole horizon, for options whose queues outlast a span."""
        self._whole_evaluators: dict[Need, Evaluator] = {}
        self._call_ratios: dict[str, float] = {}
        self._samples: dict[Need, Sample] = {}
        self._needs: dict[str, Need] = {}
        self._preview: RequestTable | None = None

    def sample(self, option: SingleOption) -> Sample:
        """Return the requests with which an option is evaluated."""
        if isinstance(self.sampler, Sample):
            sample, need = self.sampler, Need()
        else:
            need = self.need(option)
        if need not in self._samples:
            if isinstance(self.sampler, Sampler):
                sample = self.sampler.sample(self.volume, need)
            for lens, share in self._lenses:
                sample = sample.through(lens, share)
            self._samples[need] = sample
        return self._samples[need]

    def need(self, option: SingleOption) -> Need:
        """Return what a sample must contain for an option.

        The number of replicas is rounded up to a power of two, so that many options share a sample.
        """
        if option.name not in self._needs:
            base, replicas = option.own, 0
            if base is not None:
                table = self.for_calls_of(option).preview
                work_s = least_work_s(table, base.fleet, self.study.slo, np.ones(table.size))
                per_s = self.study.traffic.requests_per_s * self.volume
                busy = math.ceil(work_s / max(1, self.preview.size) * per_s)
                replicas = 1 << max(0, busy - 1).bit_length()
            # Options whose cache entries all expire within a fleet's warm-up share a sample.
            lifetime = max(LEAST_WARM_UP_S, lifetime_s(option)) if replicas else 0.0
            self._needs[option.name] = Need(lifetime, replicas)
        return self._needs[option.name]

    def sample_for(self, option: Option) -> Sample:
        """Return the requests with which all parts of an option are evaluated together."""
        singles = option.parts
        if isinstance(self.sampler, Sample) or len(singles) == 1:
            return self.sample(singles[0])
        needs = [self.need(single) for single in singles]
        fleets = [need.replicas for need in needs if need.replicas]
        need = Need(max(need.lifetime_s for need in needs), min(fleets, default=0))
        sample = self.sampler.sample(self.volume, need)
        for lens, share in self._lenses:
            sample = sample.through(lens, share)
        return sample

    def busy_replicas(self, option: SelfHostOption) -> float:
        """Return a lower bound on the mean number of busy replicas, under any schedule."""
        caller = self.for_calls_of(option)
        sample, work_s = caller.sample(option), 0.0
        for table, _ in sample.chunks(0):
            # Requests that arrive even if all earlier ones of their session take no time.
            weight = sample.weight_of(table.due_s(0.0, 0.0))
            work_s += least_work_s(table, option.fleet, self.study.slo, weight)
        return work_s / sample.counted_s

    @property
    def preview(self) -> RequestTable:
        """A few thousand requests, seen through this evaluator's lenses."""
        if self._preview is None:
            table = preview_requests(self.study)
            for lens, _ in self._lenses:
                table = lens(table)
            self._preview = table
        return self._preview

    def through(self, name: str, lens: Lens, share: float | None = None) -> "Evaluator":
        """Return the evaluator of the same volume seen through a lens, one for each name.

        ``share`` is the number of requests seen for each request of the traffic, if it is known.
        """
        if name not in self._lensed:
            lenses = (*self._lenses, (lens, share))
            self._lensed[name] = Evaluator(self.study, self.volume, self.sampler, lenses)
        return self._lensed[name]

    def simulate(self, option: SingleOption, size: Size) -> Iterator[Ledger]:
        """Run an option at a size on its sample; yield the pieces of its ledger."""
        sample = self.sample(option)
        plan = scaled_plan(self.study, option, size, sample.scale).plan
        chunks, end_s = sample.chunks(0), self.end_s(option, sample)
        yield from serve_chunks(plan, chunks, end_s, self.study.epoch_s, excerpt=sample.excerpt)

    def end_s(self, option: SingleOption, sample: Sample) -> float:
        """Return the end of a sample's simulation; without own replicas, batch work is awaited."""
        owned = option.own is not None
        return sample.end_s + (0.0 if owned else self.study.traffic.longest_deadline_s)

    def tally(self, option: SingleOption, size: Size) -> Tally:
        """Return an empty tally of an option at a size."""
        sample = self.sample(option)
        represented = scaled_plan(self.study, option, size, sample.scale).represented
        return Tally(self.study.slo, option.api, self.study.epoch_s, sample, represented)

    def for_calls_of(self, option: SingleOption) -> "Evaluator":
        """Return the evaluator for the calls that an option makes instead of the requests."""
        reshaping, repeats = reshaping_of(option), _repeats_requests(self.study, option)
        if reshaping is None and not repeats:
            return self
        lens = partial(_calls_of, study=self.study, option=option)
        return self.through(f"calls of {option.name}", lens)

    def calls_per_request(self, option: SingleOption) -> float:
        """Return the number of calls that an option makes for each request of the traffic."""
        if option.name not in self._call_ratios:
            caller = self.for_calls_of(option)
            ratio = 1.0
            if caller is not self:
                calls, requests = caller.sample(option), self.sample(option)
                ratio = calls.requests_per_month / requests.requests_per_month
            self._call_ratios[option.name] = ratio
        return self._call_ratios[option.name]

    def evaluate(self, option: SingleOption, size: Size) -> Evaluation:
        """Simulate, measure and price an option at a size; stored outcomes are reused."""
        key = (option.name, size)
        caller = self.for_calls_of(option)
        if key in self._whole_instead:
            return self._whole_instead[key].evaluate(option, size)
        if key not in self._outcomes:
            tally = caller.tally(option, size)
            for piece in caller.simulate(option, size):
                tally.add(piece)
            outcome = tally.outcome()
            if self._may_lag(option, tally, outcome):
                self._whole_instead[key] = self._whole_evaluator(option)
                return self._whole_instead[key].evaluate(option, size)
            # Stored only now: another thread must not reuse an outcome that is in doubt.
            self._outcomes[key] = outcome
        calls = self.calls_per_request(option)
        return Evaluation(option, size, self._outcomes[key], caller, calls_per_request=calls)

    def _may_lag(self, option: SingleOption, tally: Tally, outcome: Outcome) -> bool:
        """Return whether spans of a fleet are so late that queues from before them may matter.

        A queue that a fleet of about the right size hardly works off grows for hours, longer than
        any span's warm-up. An option that misses the targets even without it is out in any case.
        """
        if not isinstance(self.sampler, Sampler) or not self.sampler.careful:
            return False
        if not option.owns_only or tally.sample.is_whole:
            return False
        offered = tally.sums.offered
        within = tally.sums.met_all + tally.sums.in_time
        is_late = bool(((offered > 0) & (within < LATE * offered)).any())
        return is_late and outcome.attainment >= self.study.slo.attainment

    def _whole_evaluator(self, option: SingleOption) -> "Evaluator":
        """Return the evaluator of an option on the whole horizon, at the smallest scale."""
        need = self.need(option)
        if need not in self._whole_evaluators:
            assert isinstance(self.sampler, Sampler)
            whole_sample = self.sampler.whole(self.volume, need)
            self._whole_evaluators[need] = Evaluator(
                self.study, self.volume, whole_sample, self._lenses
            )
        return self._whole_evaluators[need]


def reshaping_of(option: Option) -> Reshaping | None:
    """Return the changes that an option makes to requests; both parts of a hybrid make the same."""
    part = option.own or option.api
    return part.reshaping if part is not None else None


def success_rate_of(option: Option) -> float | None:
    """Return the share of right answers; None if unknown, or if a hybrid's parts differ in it."""
    rates = {part.success_rate for part in (option.own, option.api) if part is not None}
    return rates.pop() if len(rates) == 1 else None


def _repeats_requests(study: Study, option: SingleOption) -> bool:
    """Return whether an option repeats requests with rejected answers."""
    repeats = study.quality is not None and study.quality.attempts > 1
    return repeats and success_rate_of(option) is not None


def _calls_of(table: RequestTable, study: Study, option: SingleOption) -> RequestTable:
    """Return the calls that an option makes instead of a table's requests."""
    reshaping, rate = reshaping_of(option), success_rate_of(option)
    if reshaping is not None:
        table = apply_reshaping(table, reshaping)
    if study.quality is not None and rate is not None and study.quality.attempts > 1:
        table = repeat_rejected(table, option.name, rate, study.quality)
    return table
