"""Simulate one plan on one request table."""

import numpy as np

from simulator.engine import layout
from simulator.engine.control import control_plane
from simulator.engine.ledger import FleetAccount, Ledger
from simulator.engine.plan import Plan
from simulator.engine.plane import DataPlane
from simulator.errors import SimulatorError
from simulator.traffic.table import RequestTable


def run(plan: Plan, table: RequestTable, horizon_s: float, zero_s: float = 0.0) -> Ledger:
    """Serve a table's requests up to a horizon.

    Parameters
    ----------
    plan : Plan
        The option at one size.
    table : RequestTable
        What arrives; later rows than the horizon are never offered.
    horizon_s : float
        End of the simulated span [s]; what runs then is in flight.
    zero_s : float
        Unix time of the span's begin; decides on dated prices, outages and budget periods.

    Raises
    ------
    InputError
        When the table or the plan breaks a rule of the engine.
    SimulatorError
        When the run broke an invariant; a defect of the engine, never of the input.
    """
    table.check()
    plane = DataPlane(plan, table, zero_s, horizon_s)
    control_plane(plan, plane).advance(horizon_s)
    plane.advance(horizon_s)
    ledger = _close(plane, table, horizon_s)
    _check(plane, ledger)
    return ledger


def _close(plane: DataPlane, table: RequestTable, horizon_s: float) -> Ledger:
    rows = plane.state.ledger
    outcome = np.ascontiguousarray(rows.outcome)
    # The overhead of a replica's answer and the wait for a refusal may reach behind the horizon.
    known = (outcome == layout.COMPLETED) | (outcome == layout.REJECTED)
    outcome[known & (rows.finished_s > horizon_s)] = layout.IN_FLIGHT
    columns = {
        name: np.ascontiguousarray(rows[name])
        for name in (
            "server",
            "arrival_s",
            "start_s",
            "first_token_s",
            "finished_s",
            "cached_tok",
            "output_tok",
            "reasoning_tok",
            "preemptions",
            "restarts",
        )
    }
    calls = plane.state.calls
    for name in ("written_tok", "attempts", "stored_tok_h", "usd"):
        columns[name] = np.ascontiguousarray(calls[name])
    columns["fleet"] = _fleets(plane)
    accounts = tuple(_account(plane, f, horizon_s) for f in range(len(plane.state.engine)))
    return Ledger(table, horizon_s, outcome, fleets=accounts, **columns)


def _fleets(plane: DataPlane) -> np.ndarray:
    """Fleet of each row's replica, NONE where it has none. (n_requests,)"""
    known = np.append(plane.state.replicas.fleet, np.int32(layout.NONE))
    return known[plane.state.ledger.replica]


def _account(plane: DataPlane, fleet: int, horizon_s: float) -> FleetAccount:
    replicas = plane.replicas(fleet)
    periods_s = plane.periods_s(fleet, horizon_s)
    # At a tie a stop comes before the start that takes its place.
    moments = np.concatenate([periods_s[:, 1], periods_s[:, 0]])
    changes = np.repeat([-1, 1], len(periods_s))
    present = np.cumsum(changes[np.argsort(moments, kind="stable")])
    busy_s = replicas.busy_s + np.where(
        replicas.phase != layout.IDLE, horizon_s - replicas.busy_since_s, 0.0
    )
    return FleetAccount(
        periods_s=periods_s,
        busy_s=float(busy_s.sum()),
        max_replicas=int(present.max(initial=0)),
        steps=int(replicas.step.sum()),
        preemptions=int(replicas.preemptions.sum()),
    )


def _check(plane: DataPlane, ledger: Ledger) -> None:
    """Invariants cheap enough for every run: conservation of requests and of blocks."""
    clock = plane.state.clock[0]
    counts = np.bincount(ledger.outcome, minlength=5)
    in_flight = int(counts[layout.IN_FLIGHT])
    closed = counts[[layout.COMPLETED, layout.REJECTED, layout.TIMED_OUT]].sum()
    if int(clock.offered) != int(closed) + in_flight:
        raise SimulatorError(
            "request conservation broken: offered != completed + rejected + timed out + in flight"
        )
    state = plane.state
    _check_held(plane, ledger)
    idle = state.replicas[state.replicas.in_flight == 0]
    if np.any(idle.free_blocks + idle.cached_blocks != state.engine.kv_blocks[idle.fleet]):
        raise SimulatorError("block conservation broken: an idle replica does not own its blocks")


def _check_held(plane: DataPlane, ledger: Ledger) -> None:
    """Fleets hold what the ledger says is in flight there, but for KV on its way between them.

    A finished sequence still spends its request overhead: done for the replica, not the client. One
    whose client has left is dropped at the next step boundary.
    """
    held = sum(plane.in_flight(f) for f in range(len(plane.state.engine)))
    held += int(plane.state.deferred.waiting.sum())
    rows = plane.state.ledger
    late = (ledger.outcome == layout.IN_FLIGHT) & (ledger.server == layout.FLEET)
    late &= np.isnan(ledger.finished_s) & (rows.awaits != layout.ATTEMPT)
    left = (ledger.outcome == layout.TIMED_OUT) & (rows.sequence != layout.NONE)
    if held != int((late | left).sum()):
        raise SimulatorError("request conservation broken: replicas hold what the ledger does not")
