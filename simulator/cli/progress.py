"""A bar on standard error for what takes longer than two seconds, where a person is watching."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

PATIENCE_S = 2.0
"""Shorter work shows nothing."""


class Tell(Protocol):
    """Is told how much is done and how much there is; None: nobody knows."""

    def __call__(self, done: float, of: float | None = None) -> None:
        """Take note."""


def _nothing(done: float, of: float | None = None) -> None:
    """Nobody is watching."""


@contextmanager
def progress(what: str) -> Iterator[Tell]:
    """Show a bar with rate and time left; quiet when standard error is no terminal.

    Parameters
    ----------
    what : str
        The unit of what is counted, such as ``points``.
    """
    if not sys.stderr.isatty():
        yield _nothing
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if speed is None else f"{speed:,.3g}/s")

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task(what, total=None)
    starting = threading.Timer(PATIENCE_S, bar.start)
    starting.daemon = True
    starting.start()

    def tell(done: float, of: float | None = None) -> None:
        bar.update(task, completed=done, total=of)

    try:
        yield tell
    finally:
        starting.cancel()
        bar.stop()
