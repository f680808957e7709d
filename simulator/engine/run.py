"""Simulate one plan on requests: in one piece, or chunk by chunk."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from simulator.engine.checks import check_run
from simulator.engine.control.controllers import control_plane
from simulator.engine.ledger import FleetAccount, Ledger
from simulator.engine.records import layout
from simulator.engine.records.layout import Records
from simulator.engine.spec.plan import Plan
from simulator.engine.state import fleet_records
from simulator.engine.state.chunking import append_chunk, live_rows
from simulator.engine.state.data_plane import DataPlane
from simulator.traffic.table import RequestTable

Chunk = tuple[RequestTable, float]
"""Requests, and the time before which no others arrive [s]."""

_OUTCOMES = (
    layout.ABSENT, layout.IN_FLIGHT, layout.COMPLETED, layout.REJECTED, layout.TIMED_OUT
)  # fmt: skip
_ROW_COLUMNS = (
    "server", "arrival_s", "start_s", "first_token_s", "finished_s", "cached_tok", "completion_tok",
    "reasoning_tok", "preemptions", "restarts",
)  # fmt: skip
_CALL_COLUMNS = ("written_tok", "attempts", "stored_tok_h", "usd")


@dataclass(frozen=True, slots=True)
class Excerpt:
    """How the simulated requests relate to all traffic."""

    spans_s: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))
    """Spans for which the accounts of fleets state how busy they are [s]. (n, 2)"""
    unsimulated: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))
    """Times [s], and how many requests are left out up to each, both rising; see
    ``kernels.api.unsimulated``. (n, 2)"""


class Simulation:
    """A plan being run: its data plane, its control plane, and counts of rows that have left."""

    def __init__(
        self,
        plan: Plan,
        table: RequestTable,
        horizon_s: float,
        zero_s: float,
        excerpt: Excerpt | None = None,
    ) -> None:
        """Set up a run; by default the table is all of the traffic."""
        table.check()
        self.plan = plan
        self.table = table
        self.horizon_s = horizon_s
        excerpt = excerpt or Excerpt()
        self.plane = DataPlane(plan, table, zero_s, horizon_s, excerpt.unsimulated)
        self.calendar = control_plane(plan, self.plane)
        self.closed = np.zeros(len(_OUTCOMES), np.int64)
        """Rows that have left with earlier chunks, by outcome."""
        self._marks_s = np.unique(excerpt.spans_s)
        self._marks = np.searchsorted(self._marks_s, excerpt.spans_s)
        self.busy_s: list[list[float]] = []
        """Busy replica-seconds up to each time at which a span begins or ends, by fleet."""

    def advance(self, until_s: float) -> None:
        """Process everything before a time [s]."""
        until_s = min(until_s, self.horizon_s)
        for mark_s in self._marks_s[len(self.busy_s) :].tolist():
            if mark_s > until_s:
                break
            self.calendar.advance(mark_s)
            self.busy_s.append([self._busy_s(f, mark_s) for f in range(len(self.plan.fleets))])
        self.calendar.advance(until_s)

    def _busy_s(self, fleet: int, now_s: float) -> float:
        """Return the replica-seconds for which a fleet has been busy."""
        replicas = self.plane.replicas(fleet)
        running_s = np.where(replicas.phase != layout.IDLE, now_s - replicas.busy_since_s, 0.0)
        return float((replicas.busy_s + running_s).sum())

    def _account(self, fleet: int) -> FleetAccount:
        """Return the account of a fleet at the end of the run."""
        periods_s = self.plane.periods_s(fleet, self.horizon_s)
        # At equal times a stop comes before the start of the replica that takes its slot.
        times_s = np.concatenate([periods_s[:, 1], periods_s[:, 0]])
        changes = np.repeat([-1, 1], len(periods_s))
        present = np.cumsum(changes[np.argsort(times_s, kind="stable")])
        replicas = self.plane.replicas(fleet)
        busy_s = np.array([by_fleet[fleet] for by_fleet in self.busy_s])
        between_s = np.diff(busy_s[self._marks], axis=1)[:, 0] if len(busy_s) else np.zeros(0)
        return FleetAccount(
            periods_s=periods_s,
            busy_s=self._busy_s(fleet, self.horizon_s),
            max_replicas=int(present.max(initial=0)),
            steps=int(replicas.step.sum()),
            preemptions=int(replicas.preemptions.sum()),
            busy_between_s=between_s,
        )

    @property
    def is_at_end(self) -> bool:
        """Whether the horizon has been reached, except for events at its very end."""
        return bool(self.plane.state.clock[0].now_s >= math.nextafter(self.horizon_s, -math.inf))

    def renew(self, chunk: RequestTable) -> Ledger:
        """Take in the next chunk, whose arrivals are all to come; return the finished rows."""
        chunk.check()
        kept = live_rows(self.plane.state, self.table)
        finished = np.flatnonzero(~kept)
        state = self.plane.state
        rows, calls = (
            fleet_records.take_records(state.ledger, finished),
            fleet_records.take_records(state.calls, finished),
        )
        ledger = self._ledger(self.table.take(finished), rows, calls)
        self.closed += np.bincount(ledger.outcome, minlength=len(self.closed))
        self.plane.state, self.table = append_chunk(self.plane.state, self.table, kept, chunk)
        return ledger

    def finish(self) -> Ledger:
        """Run to the end of the horizon; return the remaining rows, with the fleets' accounts.

        The simulation cannot be used afterwards.

        Raises
        ------
        SimulatorError
            When the run broke an invariant; a defect of the engine, never of the input.
        """
        self.advance(self.horizon_s)
        self.plane.advance(self.horizon_s)
        missing = len(self._marks_s) - len(self.busy_s)
        fleets = range(len(self.plan.fleets))
        self.busy_s += [[self._busy_s(f, self.horizon_s) for f in fleets]] * missing
        ledger = self._ledger(self.table, self.plane.state.ledger, self.plane.state.calls)
        counts = self.closed + np.bincount(ledger.outcome, minlength=len(self.closed))
        check_run(self.plane, ledger, counts)
        self.calendar.close()
        return replace(ledger, fleets=tuple(map(self._account, fleets)))

    def _ledger(self, table: RequestTable, rows: Records, calls: Records) -> Ledger:
        """Return the ledger of some rows from their LEDGER and CALL records, without accounts."""
        outcome = np.ascontiguousarray(rows.outcome)
        # A replica's overhead, and the wait for a refusal, may end after the horizon.
        is_closed = outcome > layout.IN_FLIGHT
        outcome[is_closed & (rows.finished_s > self.horizon_s)] = layout.IN_FLIGHT
        replica_fleet = np.append(self.plane.state.replicas.fleet, np.int32(layout.NONE))
        return Ledger(
            table=table,
            horizon_s=self.horizon_s,
            outcome=outcome,
            fleet=replica_fleet[rows.replica],
            fleets=(),
            **{name: np.ascontiguousarray(rows[name]) for name in _ROW_COLUMNS},
            **{name: np.ascontiguousarray(calls[name]) for name in _CALL_COLUMNS},
        )


def serve_table(plan: Plan, table: RequestTable, horizon_s: float, zero_s: float = 0.0) -> Ledger:
    """Serve a table's requests up to a horizon.

    Parameters
    ----------
    plan : Plan
        The option at one size.
    table : RequestTable
        Requests that arrive; those after the horizon are never offered.
    horizon_s : float
        End of the simulated span [s]; requests not finished by then are in flight.
    zero_s : float
        Unix time at which the span begins; it decides on dated prices, outages and budget periods.

    Raises
    ------
    InputError
        When the table or the plan breaks a rule of the engine.
    SimulatorError
        When the run broke an invariant; a defect of the engine, never of the input.
    """
    return Simulation(plan, table, horizon_s, zero_s).finish()


def serve_chunks(
    plan: Plan,
    chunks: Iterable[Chunk],
    horizon_s: float,
    zero_s: float = 0.0,
    simulation: Simulation | None = None,
    between: Callable[[Simulation], None] | None = None,
    excerpt: Excerpt | None = None,
) -> Iterator[Ledger]:
    """Serve traffic in chunks, in memory that does not grow with their number.

    Yields the rows of finished sessions, chunk by chunk, and at last all others with the fleets'
    accounts: together they are the rows of ``serve_table``, each of them once.

    Parameters
    ----------
    plan, horizon_s, zero_s
        As for ``serve_table``.
    chunks : iterable of Chunk
        Tables, each with the time before which all arrivals are known [s].
    simulation : Simulation, optional
        Simulation from a checkpoint that continues with these chunks.
    between : callable, optional
        Called after each chunk, when the simulation holds unfinished sessions alone.
    excerpt : Excerpt, optional
        How the chunks relate to all traffic; default: they are all of it.
    """
    for table, end_s in chunks:
        if simulation is None:
            simulation = Simulation(plan, table, horizon_s, zero_s, excerpt)
        else:
            yield simulation.renew(table)
        simulation.advance(end_s)
        if between is not None:
            yield simulation.renew(table.take(np.arange(0)))
            between(simulation)
    if simulation is not None:
        yield simulation.finish()
