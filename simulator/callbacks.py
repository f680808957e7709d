"""Types of functions that callers hand over: to report progress, and to run in parallel."""

from collections.abc import Callable
from typing import Any, Protocol


class Tell(Protocol):
    """Callback for progress: amount done, and total amount or None if it is unknown."""

    def __call__(self, done: float, of: float | None = None) -> None:
        """Report progress."""


def ignore_progress(done: float, of: float | None = None) -> None:
    """Ignore progress."""


Mapped = Callable[..., Any]
"""``map``, or the map of an executor."""
