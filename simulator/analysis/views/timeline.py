"""What an option did hour by hour: load, where it was served, replicas, queue, spend.

The whole horizon is simulated where that is affordable, else the day around its busiest hour.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.sampling.sample import Sample, span_sample, whole_horizon_sample
from simulator.analysis.sampling.sampler import Sampler
from simulator.analysis.simulate.evaluate import Evaluator
from simulator.analysis.simulate.tally import calls_usd
from simulator.analysis.study.options import SingleOption, Size
from simulator.analysis.study.study import Study
from simulator.engine.ledger import Ledger
from simulator.engine.records import layout
from simulator.units import DAY_S, HOUR_S, MINUTE_S

TIMES_A_SAMPLE = 30
"""So many times the requests of a sample may be simulated for one timeline."""
DAY_BIN_S = 15 * MINUTE_S


@dataclass(frozen=True, slots=True)
class Timeline:
    """Means over equal spans of time, all (n,)."""

    option: str
    begin_s: float
    """Of the first span, from the horizon's zero."""
    bin_s: float
    own_per_s: NDArray[np.float64]
    """Requests that arrive and are served by own replicas [1/s]."""
    called_per_s: NDArray[np.float64]
    """Those that an API serves [1/s]."""
    unserved_per_s: NDArray[np.float64]
    """Those that nobody serves: refused, given up, or in flight at the end [1/s]."""
    waiting: NDArray[np.float64]
    """Requests that wait to be started."""
    replicas: NDArray[np.float64]
    """Paid for, spares and cold starts included."""
    calls_usd_per_h: NDArray[np.float64]
    own_usd_per_h: NDArray[np.float64]
    """Hardware of own replicas; people are the same in every hour."""


def timeline(study: Study, option: SingleOption, size: Size) -> Timeline:
    """Simulate an option once more and look at it span by span."""
    sample, bin_s = _span(study)
    seen = Evaluator(study, 1.0, sample).for_calls_of(option)
    # All of the span, however long it is, in bins of one length.
    begin_s, end_s = float(sample.spans_s[0, 0]), float(sample.spans_s[-1, 1])
    count = max(1, round((end_s - begin_s) / bin_s))
    bin_s = (end_s - begin_s) / count
    bins = _Bins(np.linspace(begin_s, end_s, count + 1))
    replicas: NDArray[np.float64] = np.zeros(bins.count)
    own_usd = np.zeros(bins.count)
    for ledger in seen.simulate(option, size):
        bins.add(ledger)
        api = option.api
        for rows, usd in calls_usd(ledger, api, study.epoch_s) if api else ():
            bins.add_usd(ledger.arrival_s[rows], usd)
        for deployment, account in zip(option.deployments, ledger.fleets, strict=False):
            there = bins.mean_present(account.periods_s) + deployment.spare_replicas
            if deployment.purchase is not None:  # paid for whether it runs or not
                there = np.full(bins.count, account.max_replicas + deployment.spare_replicas)
            replicas += there
            own_usd += there * deployment.replica_usd_per_hour
    return Timeline(
        option=option.name,
        begin_s=begin_s,
        bin_s=bin_s,
        own_per_s=bins.own / bin_s,
        called_per_s=bins.called / bin_s,
        unserved_per_s=bins.unserved / bin_s,
        waiting=bins.mean_waiting(),
        replicas=replicas,
        calls_usd_per_h=bins.usd / bin_s * HOUR_S,
        own_usd_per_h=own_usd,
    )


def _span(study: Study) -> tuple[Sample, float]:
    """What is simulated: the horizon or its busiest hours in a row; and the length of a bin."""
    source = study.traffic
    affordable_s = TIMES_A_SAMPLE * study.effort.sample_requests / source.requests_per_s
    bin_s = HOUR_S if source.horizon_s > 2 * DAY_S else DAY_BIN_S
    if source.horizon_s <= affordable_s:
        return whole_horizon_sample(study, 1.0), bin_s
    load = source.hourly_load()
    hours = max(1, min(24, int(affordable_s // HOUR_S), len(load)))
    around = np.convolve(load, np.ones(hours), mode="valid")
    begin_s = float(np.argmax(around)) * HOUR_S
    end_s = min(begin_s + hours * HOUR_S, source.horizon_s)
    return span_sample(study, begin_s, end_s, Sampler(study).margins.history_s), DAY_BIN_S


class _Bins:
    """Sums over spans of time, from ledgers that come piece by piece."""

    def __init__(self, edges_s: NDArray[np.float64]) -> None:
        self.edges_s = edges_s
        self.count = len(edges_s) - 1
        self.own, self.called, self.unserved, self.usd = np.zeros((4, self.count))
        self._begun = np.zeros(len(edges_s))
        """Waiting time of all before each edge, if none had ended [s]; and what ended of it."""
        self._ended = np.zeros(len(edges_s))

    def add(self, ledger: Ledger) -> None:
        """Count the rows of a piece."""
        offered = np.flatnonzero(ledger.offered)
        arrival_s, server = ledger.arrival_s[offered], ledger.server[offered]
        served = ledger.completed[offered]
        own = served & (server == layout.OWN)
        self.own += self._histogram(arrival_s[own])
        self.called += self._histogram(arrival_s[served & ~own])
        self.unserved += self._histogram(arrival_s[~served])
        start_s, finished_s = ledger.start_s[offered], ledger.finished_s[offered]
        until_s = np.where(np.isnan(start_s), finished_s, start_s)
        until_s = np.where(np.isnan(until_s), ledger.horizon_s, until_s)
        self._begun += _before(arrival_s, self.edges_s)
        self._ended += _before(np.maximum(until_s, arrival_s), self.edges_s)

    def add_usd(self, arrival_s: NDArray[np.float64], usd: NDArray[np.float64]) -> None:
        """Count what rows cost in the span of their arrival."""
        self.usd += np.histogram(arrival_s, self.edges_s, weights=usd)[0]

    def mean_waiting(self) -> NDArray[np.float64]:
        """Mean number of requests that wait, (n,)."""
        waited_s = np.diff(self._begun - self._ended)
        return np.maximum(0.0, waited_s) / np.diff(self.edges_s)

    def mean_present(self, periods_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean number of some periods, (periods, 2), that hold in each span, (n,)."""
        begun, ended = (_before(periods_s[:, k], self.edges_s) for k in (0, 1))
        present: NDArray[np.float64] = np.diff(begun - ended) / np.diff(self.edges_s)
        return present

    def _histogram(self, at_s: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.histogram(at_s, self.edges_s)[0].astype(np.float64)


def _before(at_s: NDArray[np.float64], edges_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of the times between some moments and each edge behind them [s]. (n_edges,)"""
    ordered = np.sort(at_s)
    sums_s = np.concatenate([[0.0], np.cumsum(ordered)])
    counts = np.searchsorted(ordered, edges_s)
    found: NDArray[np.float64] = counts * edges_s - sums_s[counts]
    return found
