"""Progress of long work: the callback that reports it."""

from typing import Protocol


class Tell(Protocol):
    """Callback for progress: amount done, and total amount or None if it is unknown."""

    def __call__(self, done: float, of: float | None = None) -> None:
        """Report progress."""


def ignore_progress(done: float, of: float | None = None) -> None:
    """Report nothing."""
