"""Calls of a log as records for bills: who called which model, with how many tokens, at what cost.

They come from the same parse as traffic. Unlike traffic, they include calls that failed, answers of
a gateway's cache and other rows that are no requests of a model, with the reason: a gateway may
have charged for them.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.traffic.logs.billing import LABELS, UNKNOWN, Billing
from simulator.traffic.logs.log import Batch


class Call(NamedTuple):
    """One call of a log. None: the log does not tell it."""

    at_s: float | None
    """Moment at which it was sent: seconds since 1970, or since the log's origin."""
    model: str | None
    """Model as the log names it; the workload of logs without models."""
    provider: str | None
    """Provider as the log names it."""
    team: str | None
    key: str | None
    """Alias of the caller's key, else its hash."""
    spend_usd: float | None
    """Cost as the log has it [USD]."""
    left_out: str | None
    """Reason why it is no request of a model, such as ``failed calls``; None for a request."""
    uncached_tokens: int
    """Prompt tokens that were neither read from a cache nor written to one; all of them if the log
    has no counts of a cache."""
    cached_tokens: int | None
    written_tokens: int | None
    """Tokens written to a cache, all lifetimes together."""
    written_1h_tokens: int | None
    """Part of ``written_tokens`` that the cache keeps for an hour."""
    output_tokens: int
    """Visible output."""
    reasoning_tokens: int

    @property
    def failed(self) -> bool:
        """Whether the call failed."""
        return self.left_out == "failed calls"


def calls_of(
    batch: Batch, workloads: list[str], labels: list[str], kinds: list[str]
) -> Iterator[Call]:
    """Yield the rows of a batch as calls, given the names by number."""
    billing = batch.billing or Billing.unknown(batch.size)
    names = {name: _names(getattr(billing, name), labels) for name in LABELS}
    if not any(names["model"]):
        names["model"] = _names(batch.workload, workloads)
    cached, written = np.maximum(batch.cached_tokens, 0), np.maximum(batch.written_tokens, 0)
    columns = zip(
        [None if at_s != at_s else at_s for at_s in batch.at_s.tolist()],
        *(names[name] for name in LABELS),
        [None if usd != usd else usd for usd in billing.spend_usd.tolist()],
        _names(billing.left_out, kinds),
        (batch.input_tokens - cached - written).tolist(),
        _counts(batch.cached_tokens),
        _counts(batch.written_tokens),
        _counts(billing.written_1h_tokens),
        batch.output_tokens.tolist(),
        batch.reasoning_tokens.tolist(),
        strict=True,
    )
    return (Call(*row) for row in columns)


def _names(numbers: NDArray[np.integer], names: list[str]) -> list[str | None]:
    return [None if number == UNKNOWN else names[number] for number in numbers.tolist()]


def _counts(counts: NDArray[np.int64]) -> list[int | None]:
    return [None if count == UNKNOWN else count for count in counts.tolist()]
