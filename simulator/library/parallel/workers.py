"""Executors of threads or processes on this machine."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import Any

from simulator.callbacks import Tell


class Watched(Executor):
    """Wrapper of an executor that reports the number of tasks done, and of tasks so far."""

    def __init__(self, executor: Executor, tell: Tell) -> None:
        self._executor = executor
        self._tell = tell
        self._done = self._all = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submit a task to the wrapped executor, and count it."""
        future = self._executor.submit(fn, *args, **kwargs)
        self._all += 1
        future.add_done_callback(self._count)
        return future

    def _count(self, _: Future[Any]) -> None:
        self._done += 1
        self._tell(self._done, self._all)


@contextmanager
def processes(jobs: int = 0) -> Iterator[Executor]:
    """Return a context with an executor of ``jobs`` processes; 0: one per core, 1: this process."""
    count = jobs or os.cpu_count() or 1
    if count == 1:
        with threads(1) as executor:
            yield executor
        return
    spawn = multiprocessing.get_context("spawn")
    earlier = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(count, mp_context=spawn, initializer=_start_worker)
    with _shut_down(executor):
        try:
            with _shielded_from_interrupts():
                # One task for each process starts it, so that it loads while this process prepares.
                for _ in range(count):
                    executor.submit(int)
            yield executor
        except BaseException:
            # Their current tasks are not needed any more.
            for worker in set(multiprocessing.active_children()) - earlier:
                worker.kill()
            raise


@contextmanager
def _shut_down(executor: Executor) -> Iterator[None]:
    """Wait for an executor's tasks at the end; cancel them on an error or interrupt."""
    try:
        yield
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        raise
    executor.shutdown()


@contextmanager
def _shielded_from_interrupts() -> Iterator[None]:
    """Block interrupts while processes start: these inherit the mask, and ignore interrupts.

    Their parent ends them instead; an interrupt that arrives meanwhile is delivered afterwards.
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
    """Return a context with an executor of ``jobs`` threads; 0: one per core.

    Simulations are compiled and release the interpreter lock, so that threads run in parallel,
    without processes to start or data to send.
    """
    executor = ThreadPoolExecutor(jobs or os.cpu_count() or 1)
    with _shut_down(executor):
        yield executor


def _start_worker() -> None:
    """Import all modules that tasks use; end the worker when its parent process ends."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import simulator.analysis.decide.verdict  # noqa: F401


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
