"""One option at one size on one volume: simulate, measure, price."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from simulator.analysis.sampling.sample import LEAST_WARM_UP_S, Lens, Need, Sample, lifetime_s
from simulator.analysis.sampling.sampler import Sampler, looked_at
from simulator.analysis.simulate.outcome import Outcome
from simulator.analysis.simulate.planning import scaled_plan
from simulator.analysis.simulate.prompt_transforms import asked_again, reshaped
from simulator.analysis.simulate.tally import Tally
from simulator.analysis.simulate.work import least_work_s
from simulator.analysis.study.options import Option, Reshaping, SelfHostOption, SingleOption, Size
from simulator.analysis.study.study import Study
from simulator.engine.ledger import Ledger
from simulator.engine.run import stream
from simulator.traffic.table import RequestTable
from simulator.units import MONTH_HOURS

LATE = 0.5
"""Share of a span's requests within the targets, below which its queue began before it."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An option at a size, and what it did."""

    option: Option
    size: Size
    """Of a composite option: the replicas of all its parts."""
    outcome: Outcome
    by: "Evaluator" = field(repr=False)
    """What simulated it, and can once more."""
    parts: tuple["Evaluation", ...] = ()
    """Of a composite option."""
    workloads: tuple[str, ...] = ()
    """Of a pool, those that it serves."""
    calls_per_request: float = 1.0
    """Calls that the outcome counts as requests, for each request of the traffic."""

    @property
    def singles(self) -> "tuple[Evaluation, ...]":
        """Evaluations of the options that really ran: itself, or its parts'."""
        if not self.parts:
            return (self,)
        return tuple(single for part in self.parts for single in part.singles)

    def simulated_again(self) -> Iterator[Ledger]:
        """Return the pieces of the ledger once more; of an option that ran by itself."""
        return self.by.simulate(*self.plan)

    def with_replicas(self, replicas: int) -> "Evaluation":
        """Return the same with another number of replicas paid for, of a fleet that is constant."""
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
        """What was simulated; of an option that ran by itself."""
        assert isinstance(self.option, SingleOption)
        return self.by.sample(self.option)

    @property
    def plan(self) -> tuple[SingleOption, Size]:
        """What ran, and at which size; of an option that ran by itself."""
        assert isinstance(self.option, SingleOption)
        return self.option, self.size

    @property
    def owned(self) -> list[tuple[SelfHostOption, float]]:
        """Deployments with the mean number of replicas paid for, spares included."""
        return [owned for single in self.singles for owned in _owned(single)]

    @property
    def calls_usd(self) -> dict[str, float]:
        """Cost of everything that is bought by the call or as capacity [USD/month]."""
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
        """Total at the most likely rates [USD/month]."""
        return sum(self.cost_usd(study).values())


def _owned(single: Evaluation) -> list[tuple[SelfHostOption, float]]:
    means, most = single.outcome.owned_replicas, single.outcome.max_replicas
    return [
        (d, (means[k] if d.purchase is None else most[k]) + d.spare_replicas)
        for k, d in enumerate(single.option.deployments)
    ]


def retrieval_usd(single: Evaluation) -> float:
    """Cost of the searches before an option's calls [USD/month]."""
    how = reshaping_of(single.option)
    if how is None or not how.retrieval_usd:
        return 0.0
    calls = single.outcome.requests["offered"] * single.outcome.month_factor
    return calls / single.calls_per_request * how.retrieval_usd


class Evaluator:
    """Evaluates options on one volume; draws the traffic once and remembers every result."""

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
        """What draws the samples, or the only one."""
        self._lenses = lenses
        # Not the evaluations, which know their evaluator: as a circle they would stay in memory.
        self._known: dict[tuple[str, Size], Outcome] = {}
        self._through: dict[str, Evaluator] = {}
        self._doubted: dict[tuple[str, Size], Evaluator] = {}
        """What knows better of options whose queues outlast a span."""
        self._wholes: dict[Need, Evaluator] = {}
        self._calls: dict[str, float] = {}
        self._samples: dict[Need, Sample] = {}
        self._needs: dict[str, Need] = {}
        self._looked_at: RequestTable | None = None

    def sample(self, option: SingleOption) -> Sample:
        """Return the requests by which an option is judged."""
        if isinstance(self.sampler, Sample):
            drawn, need = self.sampler, Need()
        else:
            need = self.need(option)
        if need not in self._samples:
            if isinstance(self.sampler, Sampler):
                drawn = self.sampler.sample(self.volume, need)
            for lens, share in self._lenses:
                drawn = drawn.seen(lens, share)
            self._samples[need] = drawn
        return self._samples[need]

    def need(self, option: SingleOption) -> Need:
        """Return what a sample must hold for an option; powers of two, so that few differ."""
        if option.name not in self._needs:
            base, replicas = option.own, 0
            if base is not None:
                table = self.calling(option).looked_at
                work_s = least_work_s(table, base.fleet, self.study.slo, np.ones(table.size))
                per_s = self.study.traffic.requests_per_s * self.volume
                busy = math.ceil(work_s / max(1, self.looked_at.size) * per_s)
                replicas = 1 << max(0, busy - 1).bit_length()
            # Options whose entries all die within the warm-up of a fleet share a sample.
            lifetime = max(LEAST_WARM_UP_S, lifetime_s(option)) if replicas else 0.0
            self._needs[option.name] = Need(lifetime, replicas)
        return self._needs[option.name]

    def sample_for(self, option: Option) -> Sample:
        """Return the requests by which all parts of an option are judged together."""
        singles = option.parts
        if isinstance(self.sampler, Sample) or len(singles) == 1:
            return self.sample(singles[0])
        needs = [self.need(single) for single in singles]
        fleets = [need.replicas for need in needs if need.replicas]
        need = Need(max(need.lifetime_s for need in needs), min(fleets, default=0))
        drawn = self.sampler.sample(self.volume, need)
        for lens, share in self._lenses:
            drawn = drawn.seen(lens, share)
        return drawn

    def busy_replicas(self, option: SelfHostOption) -> float:
        """Return the mean number of replicas that must be busy, whatever the schedule."""
        caller = self.calling(option)
        sample, work_s = caller.sample(option), 0.0
        for table, _ in sample.chunks(0):
            # Requests that arrive even if all before them in their session are served at once.
            weight = sample.weight_of(table.due_s(0.0, 0.0))
            work_s += least_work_s(table, option.fleet, self.study.slo, weight)
        return work_s / sample.counted_s

    @property
    def looked_at(self) -> RequestTable:
        """A few thousand requests, as they are seen here."""
        if self._looked_at is None:
            table = looked_at(self.study)
            for lens, _ in self._lenses:
                table = lens(table)
            self._looked_at = table
        return self._looked_at

    def through(self, name: str, lens: Lens, share: float | None = None) -> "Evaluator":
        """Return the evaluator of the same volume seen through a lens, the same one by name.

        ``share`` is how many requests are seen for each one of the traffic, where that is known.
        """
        if name not in self._through:
            lenses = (*self._lenses, (lens, share))
            self._through[name] = Evaluator(self.study, self.volume, self.sampler, lenses)
        return self._through[name]

    def simulate(self, option: SingleOption, size: Size) -> Iterator[Ledger]:
        """Run an option at a size on its sample; pieces of its ledger."""
        sample = self.sample(option)
        plan = scaled_plan(self.study, option, size, sample.scale).plan
        chunks, end_s = sample.chunks(0), self.end_s(option, sample)
        yield from stream(plan, chunks, end_s, self.study.epoch_s, excerpt=sample.excerpt)

    def end_s(self, option: SingleOption, sample: Sample) -> float:
        """End of a sample's simulation; where nothing is owned, deferred work is waited for."""
        owned = option.own is not None
        return sample.end_s + (0.0 if owned else self.study.traffic.longest_deadline_s)

    def tally(self, option: SingleOption, size: Size) -> Tally:
        """Return an empty tally of an option at a size."""
        sample = self.sample(option)
        represents = scaled_plan(self.study, option, size, sample.scale).represents
        return Tally(self.study.slo, option.api, self.study.epoch_s, sample, represents)

    def calling(self, option: SingleOption) -> "Evaluator":
        """Return what evaluates an option on the calls that are made in the place of requests."""
        how, again = reshaping_of(option), _asks_again(self.study, option)
        if how is None and not again:
            return self
        lens = partial(_calls, study=self.study, option=option)
        return self.through(f"calls of {option.name}", lens)

    def calls_per_request(self, option: SingleOption) -> float:
        """Return how many calls an option makes for each request of the traffic."""
        if option.name not in self._calls:
            calling = self.calling(option)
            share = 1.0
            if calling is not self:
                seen, asked = calling.sample(option), self.sample(option)
                share = seen.requests_per_month / asked.requests_per_month
            self._calls[option.name] = share
        return self._calls[option.name]

    def evaluate(self, option: SingleOption, size: Size) -> Evaluation:
        """Simulate an option at a size, measure and price it; once."""
        key = (option.name, size)
        caller = self.calling(option)
        if key in self._doubted:
            return self._doubted[key].evaluate(option, size)
        if key not in self._known:
            tally = caller.tally(option, size)
            for piece in caller.simulate(option, size):
                tally.add(piece)
            outcome = tally.outcome()
            if self._may_lag(option, tally, outcome):
                self._doubted[key] = self._over_all_of_it(option)
                return self._doubted[key].evaluate(option, size)
            # Not before: another thread would take what is in doubt for what is known.
            self._known[key] = outcome
        calls = self.calls_per_request(option)
        return Evaluation(option, size, self._known[key], caller, calls_per_request=calls)

    def _may_lag(self, option: SingleOption, tally: Tally, outcome: Outcome) -> bool:
        """Whether a fleet has spans so late that what waited before them may matter.

        A queue that a fleet of the right size can hardly work off grows for hours, longer than any
        span is warmed up. What misses the targets without it is out in any case.
        """
        if not isinstance(self.sampler, Sampler) or not self.sampler.careful:
            return False
        if not option.owns_only or tally.sample.is_whole:
            return False
        offered = tally.sums.offered
        met = tally.sums.met_all + tally.sums.in_time
        is_late = bool(((offered > 0) & (met < LATE * offered)).any())
        return is_late and outcome.attainment >= self.study.slo.attainment

    def _over_all_of_it(self, option: SingleOption) -> "Evaluator":
        """Return what evaluates an option on the whole horizon, at the least scale."""
        need = self.need(option)
        if need not in self._wholes:
            assert isinstance(self.sampler, Sampler)
            whole = self.sampler.whole(self.volume, need)
            self._wholes[need] = Evaluator(self.study, self.volume, whole, self._lenses)
        return self._wholes[need]


def reshaping_of(option: Option) -> Reshaping | None:
    """Return how an option's application asks; both parts of a hybrid are asked alike."""
    part = option.own or option.api
    return part.reshaping if part is not None else None


def success_rate_of(option: Option) -> float | None:
    """Return the share of right answers, if it is known; of a hybrid, where both parts agree."""
    rates = {part.success_rate for part in (option.own, option.api) if part is not None}
    return rates.pop() if len(rates) == 1 else None


def _asks_again(study: Study, option: SingleOption) -> bool:
    asked = study.quality is not None and study.quality.attempts > 1
    return asked and success_rate_of(option) is not None


def _calls(table: RequestTable, study: Study, option: SingleOption) -> RequestTable:
    """The calls of an option in the place of a table's requests."""
    how, rate = reshaping_of(option), success_rate_of(option)
    if how is not None:
        table = reshaped(table, how)
    if study.quality is not None and rate is not None and study.quality.attempts > 1:
        table = asked_again(table, option.name, rate, study.quality)
    return table
