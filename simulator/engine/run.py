"""Simulate one plan on one request table."""

import numpy as np
import simpy

from simulator.engine import layout
from simulator.engine.control import autoscale, outages
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
    env = simpy.Environment()
    if plan.fleet is not None and plan.fleet.autoscaler is not None:
        env.process(autoscale(env, plane, plan.fleet))
    for place, endpoint in enumerate(plan.endpoints):
        spans_s = [
            (max(0.0, begin - zero_s), end - zero_s)
            for begin, end in endpoint.outages_s
            if end > zero_s
        ]
        env.process(outages(env, plane, place, spans_s))
    env.run(until=horizon_s)
    plane.advance(horizon_s)
    ledger = _close(plane, table, horizon_s, plan)
    _check(plane, ledger)
    return ledger


def _close(plane: DataPlane, table: RequestTable, horizon_s: float, plan: Plan) -> Ledger:
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
            "written_tok",
            "output_tok",
            "reasoning_tok",
            "preemptions",
            "attempts",
            "stored_tok_h",
            "usd",
        )
    }
    account = _account(plane, horizon_s) if plan.fleet is not None else None
    return Ledger(table, horizon_s, outcome, fleet=account, **columns)


def _account(plane: DataPlane, horizon_s: float) -> FleetAccount:
    replicas = plane.replicas
    periods_s = plane.periods_s(horizon_s)
    # At a tie a stop comes before the start that takes its place.
    moments = np.concatenate([periods_s[:, 1], periods_s[:, 0]])
    changes = np.repeat([-1, 1], len(periods_s))
    present = np.cumsum(changes[np.argsort(moments, kind="stable")])
    busy_s = replicas.busy_s + np.where(
        replicas.phase != layout.IDLE, horizon_s - replicas.busy_since_s, 0.0
    )
    clock = plane.state.clock[0]
    return FleetAccount(
        periods_s=periods_s,
        busy_s=float(busy_s.sum()),
        max_replicas=int(present.max(initial=0)),
        steps=int(clock.steps),
        preemptions=int(clock.preemptions),
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
    held = plane.in_flight()
    late = (ledger.outcome == layout.IN_FLIGHT) & (ledger.server == layout.FLEET)
    # A finished sequence still spends its request overhead: done for the replica, not the client.
    if held != int((late & np.isnan(ledger.finished_s)).sum()):
        raise SimulatorError("request conservation broken: replicas hold what the ledger does not")
    idle = plane.replicas[(plane.replicas.in_flight == 0)]
    if np.any(idle.free_blocks + idle.cached_blocks != plane.state.engine[0].kv_blocks):
        raise SimulatorError("block conservation broken: an idle replica does not own its blocks")
