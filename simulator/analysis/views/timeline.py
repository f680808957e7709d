"""Timeline of an option hour by hour: load, where requests were served, replicas, queue, cost.

The whole horizon is simulated if that is affordable, else the day around its busiest hour.
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
"""Largest number of requests of a timeline, as a multiple of those of a sample."""
DAY_BIN_S = 15 * MINUTE_S
"""Length of a bin if one or two days are shown."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Means over equal intervals of time, all (n,)."""

    option: str
    """Name of the option."""
    begin_s: float
    """Start of the first interval, from the start of the horizon [s]."""
    bin_s: float
    """Length of an interval [s]."""
    own_per_s: NDArray[np.float64]
    """Arrivals that own replicas serve [1/s]."""
    called_per_s: NDArray[np.float64]
    """Arrivals that an API serves [1/s]."""
    unserved_per_s: NDArray[np.float64]
    """Arrivals that are not served: refused, given up, or in flight at the end [1/s]."""
    waiting: NDArray[np.float64]
    """Requests in queues."""
    replicas: NDArray[np.float64]
    """Replicas paid for, including spares and cold starts."""
    calls_usd_per_h: NDArray[np.float64]
    """Cost of calls [USD/hour]."""
    own_usd_per_h: NDArray[np.float64]
    """Cost of the hardware of own replicas [USD/hour]; the cost of people is the same in every
    hour."""


def simulate_timeline(study: Study, option: SingleOption, size: Size) -> Timeline:
    """Simulate an option again and measure it interval by interval."""
    sample, bin_s = _choose_sample(study)
    evaluator = Evaluator(study, 1.0, sample).for_calls_of(option)
    # Bins of equal length cover the whole span, so their length is adjusted slightly.
    begin_s, end_s = float(sample.spans_s[0, 0]), float(sample.spans_s[-1, 1])
    count = max(1, round((end_s - begin_s) / bin_s))
    bin_s = (end_s - begin_s) / count
    bins = _Bins(np.linspace(begin_s, end_s, count + 1))
    replicas: NDArray[np.float64] = np.zeros(bins.count)
    own_usd = np.zeros(bins.count)
    for ledger in evaluator.simulate(option, size):
        bins.add(ledger)
        api = option.api
        for rows, usd in calls_usd(ledger, api, study.epoch_s) if api else ():
            bins.add_usd(ledger.arrival_s[rows], usd)
        for deployment, account in zip(option.deployments, ledger.fleets, strict=False):
            present = bins.mean_present(account.periods_s) + deployment.spare_replicas
            if deployment.purchase is not None:  # bought hardware is paid for at all times
                present = np.full(bins.count, account.max_replicas + deployment.spare_replicas)
            replicas += present
            own_usd += present * deployment.replica_usd_per_hour
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


def _choose_sample(study: Study) -> tuple[Sample, float]:
    """Return the sample, of the horizon or its busiest hours, and the length of a bin [s]."""
    source = study.traffic
    affordable_s = TIMES_A_SAMPLE * study.effort.sample_requests / source.requests_per_s
    bin_s = HOUR_S if source.horizon_s > 2 * DAY_S else DAY_BIN_S
    if source.horizon_s <= affordable_s:
        return whole_horizon_sample(study, 1.0), bin_s
    load = source.hourly_load()
    hours = max(1, min(24, int(affordable_s // HOUR_S), len(load)))
    window_load = np.convolve(load, np.ones(hours), mode="valid")
    begin_s = float(np.argmax(window_load)) * HOUR_S
    end_s = min(begin_s + hours * HOUR_S, source.horizon_s)
    return span_sample(study, begin_s, end_s, Sampler(study).margins.history_s), DAY_BIN_S


class _Bins:
    """Sums over intervals of time, from ledgers that arrive piece by piece."""

    def __init__(self, edges_s: NDArray[np.float64]) -> None:
        self.edges_s = edges_s
        self.count = len(edges_s) - 1
        self.own, self.called, self.unserved, self.usd = np.zeros((4, self.count))
        self._begun = np.zeros(len(edges_s))
        """Total time between the arrivals before each edge and that edge [s]."""
        self._ended = np.zeros(len(edges_s))
        """Total time between the ends of waiting before each edge and that edge [s]."""

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
        self._begun += _time_to_edges_s(arrival_s, self.edges_s)
        self._ended += _time_to_edges_s(np.maximum(until_s, arrival_s), self.edges_s)

    def add_usd(self, arrival_s: NDArray[np.float64], usd: NDArray[np.float64]) -> None:
        """Count the cost of rows in the interval of their arrival."""
        self.usd += np.histogram(arrival_s, self.edges_s, weights=usd)[0]

    def mean_waiting(self) -> NDArray[np.float64]:
        """Return the mean number of waiting requests in each interval. (n,)"""
        waited_s = np.diff(self._begun - self._ended)
        return np.maximum(0.0, waited_s) / np.diff(self.edges_s)

    def mean_present(self, periods_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean number of periods, (periods, 2), that overlap each interval. (n,)"""
        begun, ended = (_time_to_edges_s(periods_s[:, k], self.edges_s) for k in (0, 1))
        present: NDArray[np.float64] = np.diff(begun - ended) / np.diff(self.edges_s)
        return present

    def _histogram(self, at_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the number of times in each interval. (n,)"""
        return np.histogram(at_s, self.edges_s)[0].astype(np.float64)


def _time_to_edges_s(
    at_s: NDArray[np.float64], edges_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the sum of the times from each moment to each later edge [s]. (n_edges,)"""
    ordered = np.sort(at_s)
    sums_s = np.concatenate([[0.0], np.cumsum(ordered)])
    counts = np.searchsorted(ordered, edges_s)
    sums_to_edges_s: NDArray[np.float64] = counts * edges_s - sums_s[counts]
    return sums_to_edges_s
