"""Progress bar on standard error for work of more than two seconds, on terminals only.

The first command after an installation compiles the engine, which takes a minute; a line above the
bar reports it.
"""

import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from simulator.callbacks import Tell, ignore_progress

PATIENCE_S = 2.0
"""Time after which the bar appears; shorter work shows none."""
COMPILING = "compiling the engine, once per installation: {} of {} functions"


@contextmanager
def progress(what: str) -> Iterator[Tell]:
    """Show a bar with rate and remaining time; nothing if standard error is not a terminal.

    Parameters
    ----------
    what : str
        Unit of the counted work, such as ``points``.
    """
    if not sys.stderr.isatty():
        yield ignore_progress
        return
    from rich.console import Console, RenderableType
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

    from simulator.jit import compilation

    class Bar(Progress):
        def get_renderables(self) -> Iterable[RenderableType]:
            under_way = compilation()
            if under_way is not None:
                yield Text(COMPILING.format(*under_way))
            yield from super().get_renderables()

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if speed is None else f"{speed:,.3g}/s")

    bar = Bar(
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
