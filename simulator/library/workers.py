"""Where work is done on this machine, in one process or several, as an executor."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import Any

Tell = Callable[[int, int], None]
"""Is told how many tasks are done and how many there are so far."""


class Watched(Executor):
    """An executor that tells how far it is."""

    def __init__(self, executor: Executor, tell: Tell) -> None:
        self._executor = executor
        self._tell = tell
        self._done = self._all = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Hand a task on, and count it."""
        future = self._executor.submit(fn, *args, **kwargs)
        self._all += 1
        future.add_done_callback(self._count)
        return future

    def _count(self, _: Future[Any]) -> None:
        self._done += 1
        self._tell(self._done, self._all)


@contextmanager
def processes(jobs: int = 0) -> Iterator[Executor]:
    """Give an executor of some processes, 0: one for each core; one is this process itself."""
    count = jobs or os.cpu_count() or 1
    if count == 1:
        with threads(1) as executor:
            yield executor
        return
    spawned = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(count, mp_context=spawned, initializer=_load)
    with _unwound(executor):
        try:
            with _uninterrupted():
                # A task for each starts it: it loads while this process does what comes first.
                for _ in range(count):
                    executor.submit(int)
            yield executor
        except BaseException:
            # What they are at is of no use to anybody any more.
            for worker in set(multiprocessing.active_children()) - others:
                worker.kill()
            raise


@contextmanager
def _unwound(executor: Executor) -> Iterator[None]:
    """Wait for an executor's tasks, unless something went wrong or the user has enough."""
    try:
        yield
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        raise
    executor.shutdown()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Start processes that an interrupt of their group does not reach: they inherit the mask.

    Whoever started them ends them; an interrupt that comes meanwhile waits for so long.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def threads(jobs: int = 0) -> Iterator[Executor]:
    """Give an executor of some threads, 0: one for each core.

    Simulations are compiled and leave Python's lock to others, so that threads work beside one
    another and need nothing to be started or sent.
    """
    executor = ThreadPoolExecutor(jobs or os.cpu_count() or 1)
    with _unwound(executor):
        yield executor


def _load() -> None:
    """Import all that the tasks of a worker use, and end it with the process that started it."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import simulator.analysis.decide.verdict  # noqa: F401


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
