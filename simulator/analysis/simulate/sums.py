"""Sums over the counted rows of ledgers, span by span, as one record with typed fields."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

LATENCIES = ("ttft_s", "tpot_s", "e2e_s")
TOKENS = ("uncached_input", "cache_read", "cache_write", "output", "reasoning")

T = TypeVar("T")
U = TypeVar("U")


@dataclass(slots=True)
class Sums(Generic[T]):
    """A value for each thing that is summed: arrays by span while counting, numbers afterwards."""

    offered: T
    completed: T
    rejected: T
    timed_out: T
    in_flight: T
    deferred: T
    """Batch work: requests with a deadline."""
    in_time: T
    """Batch work that was completed before its deadline."""
    met_all: T
    """Interactive requests within all latency limits."""
    attempts: T
    restarts: T
    preemptions: T
    self_hosted_tok: T
    """Tokens of completed requests that own replicas served."""
    met: dict[str, T]
    """Interactive requests within one limit, by its name."""
    tok: dict[str, T]
    """Tokens of completed requests, by the way in which they are billed."""
    usd: dict[str, T]
    """Cost of the calls, by bucket."""
    calls: dict[str, T]
    """Completed requests, by endpoint."""
    owned_s: list[T]
    """Replica-seconds paid for, by fleet."""
    busy_s: list[T]
    """Replica-seconds with at least one request, by fleet."""

    @staticmethod
    def zeros(spans: int) -> "Sums[NDArray[np.float64]]":
        """Return sums of nothing over a number of spans."""
        empty: dict[str, Any] = {
            "met": {name: np.zeros(spans) for name in LATENCIES},
            "tok": {name: np.zeros(spans) for name in TOKENS},
            "usd": {},
            "calls": {},
            "owned_s": [],
            "busy_s": [],
        }
        counts: dict[str, Any] = {
            f.name: np.zeros(spans) for f in fields(Sums) if f.name not in empty
        }
        return Sums(**counts, **empty)

    def mapped(self, change: Callable[[T], U]) -> "Sums[U]":
        """Return the same record with every value changed."""
        return Sums(**{f.name: _mapped(getattr(self, f.name), change) for f in fields(self)})

    def to_plain(self: "Sums[NDArray[np.float64]]") -> dict[str, Any]:
        """Return plain values by field, as JSON can hold them."""
        plain = self.mapped(lambda values: values.tolist())
        return {f.name: getattr(plain, f.name) for f in fields(plain)}

    @staticmethod
    def from_plain(plain: dict[str, Any]) -> "Sums[NDArray[np.float64]]":
        """Return the sums that ``to_plain`` wrote."""
        arrays: dict[str, Any] = {}
        for name, value in plain.items():
            if isinstance(value, dict):
                arrays[name] = {key: np.array(values) for key, values in value.items()}
            elif name in _BY_FLEET:
                arrays[name] = [np.array(values) for values in value]
            else:
                arrays[name] = np.array(value)
        return Sums(**arrays)


_BY_FLEET = ("owned_s", "busy_s")


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, dict):
        return {name: change(each) for name, each in value.items()}
    return [change(each) for each in value] if isinstance(value, list) else change(value)
