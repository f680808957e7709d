"""Invariants that are cheap enough to be checked in every run."""

import numpy as np
from numpy.typing import NDArray

from simulator.engine.ledger import Ledger
from simulator.engine.records import layout
from simulator.engine.state.data_plane import DataPlane
from simulator.errors import SimulatorError


def check_run(plane: DataPlane, ledger: Ledger, counts: NDArray[np.int64]) -> None:
    """Check the conservation laws of a finished run.

    Parameters
    ----------
    plane : DataPlane
        Data plane at the end of the horizon.
    ledger : Ledger
        Ledger of the rows that the data plane still holds.
    counts : ndarray
        Rows by outcome, those that left with earlier chunks included. (5,)

    Raises
    ------
    SimulatorError
        If requests or blocks were lost, or time ran backwards.
    """
    clock = plane.state.clock[0]
    if int(clock.offered) != int(counts[1:].sum()):
        raise SimulatorError(
            "request conservation broken: offered != completed + rejected + timed out + in flight"
        )
    _check_held(plane, ledger)
    _check_blocks(plane)
    _check_work(plane)
    _check_times(ledger)


def _check_held(plane: DataPlane, ledger: Ledger) -> None:
    """Check that fleets hold the requests that are in flight there according to the ledger.

    Prompts whose KV is on its way between fleets are held by none. A finished sequence has left its
    replica while its request overhead passes. One whose client has left is held until the next step
    boundary.
    """
    held = sum(plane.in_flight(f) for f in range(len(plane.state.fleets)))
    held += int(plane.state.deferred.waiting.sum())
    rows = plane.state.ledger
    in_flight = (ledger.outcome == layout.IN_FLIGHT) & (ledger.server == layout.OWN)
    in_flight &= np.isnan(ledger.finished_s) & (rows.awaits != layout.ATTEMPT)
    abandoned = (ledger.outcome == layout.TIMED_OUT) & (rows.sequence != layout.NONE)
    if held != int((in_flight | abandoned).sum()):
        raise SimulatorError(
            "request conservation broken: replicas and ledger disagree on requests in flight"
        )


def _check_blocks(plane: DataPlane) -> None:
    """Check that idle replicas have all their blocks back, and that none has taken too many."""
    state = plane.state
    idle = state.replicas[state.replicas.in_flight == 0]
    if np.any(idle.free_blocks + idle.cached_blocks != state.fleets.kv_blocks[idle.fleet]):
        raise SimulatorError(
            "block conservation broken: an idle replica does not have all its blocks"
        )
    if np.any((state.replicas.free_blocks < 0) | (state.replicas.cached_blocks < 0)):
        raise SimulatorError("block conservation broken: more blocks in use than there are")


def _check_work(plane: DataPlane) -> None:
    """Check that no replica is idle while it has requests queued or running."""
    replicas = plane.state.replicas
    idle = (replicas.phase == layout.IDLE) & (replicas.state != layout.OFF)
    if np.any(idle & ((replicas.waiting_head != layout.NONE) | (replicas.running > 0))):
        raise SimulatorError("work conservation broken: a replica is idle while it has requests")


def _check_times(ledger: Ledger) -> None:
    """Check that arrival, start, first token and end of completed rows are in this order."""
    completed = ledger.completed
    times_s = np.stack([ledger.arrival_s, ledger.start_s, ledger.first_token_s, ledger.finished_s])[
        :, completed
    ]
    if np.any(np.isnan(times_s)) or np.any(np.diff(times_s, axis=0) < -1e-6):
        raise SimulatorError("causality broken: a request's times run backwards")
