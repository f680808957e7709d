"""What a gateway recorded of each call besides its tokens: who called which model, at what cost."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNKNOWN = -1
"""Value of counts that the log lacks, and number of names that it lacks; zero would be a fact."""


@dataclass(frozen=True, slots=True)
class Billing:
    """Columns of a log that its traffic does not need; names are numbers of ``Names.labels``."""

    model: NDArray[np.int32]
    """Model as the log names it, or ``UNKNOWN``. (n_rows,)"""
    provider: NDArray[np.int32]
    team: NDArray[np.int32]
    key: NDArray[np.int32]
    """Alias or hash of the key of the caller. (n_rows,)"""
    spend_usd: NDArray[np.float64]
    """Cost of the call as the log has it [USD], NaN if it has none. (n_rows,)"""
    written_1h_tokens: NDArray[np.int64]
    """Part of the written tokens that the cache keeps for an hour, or ``UNKNOWN``. (n_rows,)"""
    left_out: NDArray[np.int32]
    """Reason why the row is no request of a model, or ``UNKNOWN`` for requests. (n_rows,)"""

    @staticmethod
    def unknown(count: int) -> "Billing":
        """Return the columns of a log that has nothing but tokens."""
        names = {name: np.full(count, UNKNOWN, np.int32) for name in LABELS}
        return Billing(
            spend_usd=np.full(count, np.nan),
            written_1h_tokens=np.full(count, UNKNOWN, np.int64),
            left_out=np.full(count, UNKNOWN, np.int32),
            **names,
        )

    def take(self, rows: NDArray[Any]) -> "Billing":
        """Return the chosen rows."""
        return Billing(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    @staticmethod
    def concatenate(parts: "Sequence[Billing | None]", sizes: Sequence[int]) -> "Billing | None":
        """Return all rows of several parts, None if no part has any columns."""
        if all(part is None for part in parts):
            return None
        whole = [
            Billing.unknown(size) if part is None else part
            for part, size in zip(parts, sizes, strict=True)
        ]
        columns = {f.name: [getattr(p, f.name) for p in whole] for f in fields(Billing)}
        return Billing(**{name: np.concatenate(column) for name, column in columns.items()})


LABELS = ("model", "provider", "team", "key")
"""Columns whose values are numbers of names."""
