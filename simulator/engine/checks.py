"""Invariants that are cheap enough to be checked in every run."""

import numpy as np
from numpy.typing import NDArray

from simulator.engine.ledger import Ledger
from simulator.engine.records import layout
from simulator.engine.state.data_plane import DataPlane
from simulator.errors import SimulatorError


def check_run(plane: DataPlane, ledger: Ledger, counts: NDArray[np.int64]) -> None:
    """Check a finished run.

    Parameters
    ----------
    plane : DataPlane
        At the end of the horizon.
    ledger : Ledger
        The rows that it still holds.
    counts : ndarray
        Rows by outcome, of these and of all that left before. (5,)

    Raises
    ------
    SimulatorError
        When requests or blocks got lost, or time ran back.
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
    """Fleets hold what the ledger says is in flight there, but for KV on its way between them.

    A finished sequence still spends its request overhead: done for the replica, not the client. One
    whose client has left is dropped at the next step boundary.
    """
    held = sum(plane.in_flight(f) for f in range(len(plane.state.fleets)))
    held += int(plane.state.deferred.waiting.sum())
    rows = plane.state.ledger
    late = (ledger.outcome == layout.IN_FLIGHT) & (ledger.server == layout.OWN)
    late &= np.isnan(ledger.finished_s) & (rows.awaits != layout.ATTEMPT)
    left = (ledger.outcome == layout.TIMED_OUT) & (rows.sequence != layout.NONE)
    if held != int((late | left).sum()):
        raise SimulatorError("request conservation broken: replicas hold what the ledger does not")


def _check_blocks(plane: DataPlane) -> None:
    state = plane.state
    idle = state.replicas[state.replicas.in_flight == 0]
    if np.any(idle.free_blocks + idle.cached_blocks != state.fleets.kv_blocks[idle.fleet]):
        raise SimulatorError("block conservation broken: an idle replica does not own its blocks")
    if np.any((state.replicas.free_blocks < 0) | (state.replicas.cached_blocks < 0)):
        raise SimulatorError("block conservation broken: more blocks in use than there are")


def _check_work(plane: DataPlane) -> None:
    """Nobody rests while somebody waits."""
    replicas = plane.state.replicas
    resting = (replicas.phase == layout.IDLE) & (replicas.state != layout.OFF)
    if np.any(resting & ((replicas.waiting_head != layout.NONE) | (replicas.running > 0))):
        raise SimulatorError("work conservation broken: a replica rests beside its queue")


def _check_times(ledger: Ledger) -> None:
    """Arrival, start, first token and end of completed rows follow one another."""
    done = ledger.completed
    times_s = np.stack([ledger.arrival_s, ledger.start_s, ledger.first_token_s, ledger.finished_s])[
        :, done
    ]
    if np.any(np.isnan(times_s)) or np.any(np.diff(times_s, axis=0) < -1e-6):
        raise SimulatorError("causality broken: a request's times run back")
