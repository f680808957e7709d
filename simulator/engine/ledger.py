"""Results of a run: one row per request, and an account per fleet."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.engine.records import layout
from simulator.traffic.table import RequestTable


@dataclass(frozen=True, slots=True)
class FleetAccount:
    """Time and work of a fleet's replicas over the horizon."""

    periods_s: NDArray[np.float64]
    """Begin and end of every paid period of a replica, from cold start to drain [s]. (n, 2)"""
    busy_s: float
    """Replica-seconds with at least one running sequence."""
    max_replicas: int
    """Most replicas that were paid for at one time."""
    steps: int
    preemptions: int
    busy_between_s: NDArray[np.float64]
    """Replica-seconds with at least one running sequence in each span of ``Excerpt``. (n_spans,)"""

    def owned_s(self, begin_s: float, end_s: float) -> float:
        """Return the replica-seconds paid for within a span."""
        clipped = np.clip(self.periods_s, begin_s, end_s)
        return float((clipped[:, 1] - clipped[:, 0]).sum())


@dataclass(frozen=True, slots=True)
class Ledger:
    """Columns over the rows of a table; a time is NaN where a row did not get that far."""

    table: RequestTable
    horizon_s: float
    outcome: NDArray[np.int8]
    """Outcome codes of ``engine.records.layout``; ABSENT rows were never offered. (n_requests,)"""
    server: NDArray[np.int32]
    """OWN, the index of an endpoint, or NOWHERE. (n_requests,)"""
    arrival_s: NDArray[np.float64]
    start_s: NDArray[np.float64]
    first_token_s: NDArray[np.float64]
    finished_s: NDArray[np.float64]
    cached_tok: NDArray[np.int32]
    """Prompt tokens found in a cache. (n_requests,)"""
    written_tok: NDArray[np.int32]
    """Prompt tokens written to a cache for a fee. (n_requests,)"""
    completion_tok: NDArray[np.int32]
    """Tokens produced, reasoning included. (n_requests,)"""
    reasoning_tok: NDArray[np.int32]
    preemptions: NDArray[np.int32]
    restarts: NDArray[np.int32]
    """Number of times a request started again because its replica was lost. (n_requests,)"""
    attempts: NDArray[np.int32]
    """Attempts at endpoints, refused and failed ones included. (n_requests,)"""
    stored_tok_h: NDArray[np.float64]
    """Cache storage that the request bought [tokens x hours]. (n_requests,)"""
    usd: NDArray[np.float64]
    """Cost of an endpoint's answer, as gateways and budgets saw it. (n_requests,)"""
    fleet: NDArray[np.int32]
    """Index of the fleet that served the request, or ``layout.NONE``. (n_requests,)"""
    fleets: tuple[FleetAccount, ...]

    @property
    def offered(self) -> NDArray[np.bool_]:
        """Rows that arrived. (n_requests,)"""
        return self.outcome != layout.ABSENT

    @property
    def completed(self) -> NDArray[np.bool_]:
        """Rows served to their last token. (n_requests,)"""
        return self.outcome == layout.COMPLETED
