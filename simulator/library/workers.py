"""Where work is done: in this process, in several, or on a Dask cluster, as one executor."""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from simulator.errors import InputError

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
        with ThreadPoolExecutor(1) as executor:
            yield executor
        return
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=spawned, initializer=_load) as executor:
        # A task for each starts it: it loads while this process does what comes before the first.
        for _ in range(count):
            executor.submit(int)
        yield executor


@contextmanager
def threads(jobs: int = 0) -> Iterator[Executor]:
    """Give an executor of some threads, 0: one for each core.

    Simulations are compiled and leave Python's lock to others, so that threads work beside one
    another and need nothing to be started or sent.
    """
    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as executor:
        yield executor


def _load() -> None:
    """Import all that the tasks of a worker use."""
    import simulator.analysis.verdict  # noqa: F401


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """Give an executor of an existing Dask cluster.

    Raises
    ------
    InputError
        Without ``distributed``, when no scheduler answers, or when a worker runs another version.
    """
    try:
        import distributed
    except ImportError:
        raise InputError(
            "a Dask cluster needs distributed: pip install 'breakeven[dask]'"
        ) from None
    try:
        # Its functions have no types.
        connect: Any = distributed.Client
        client = connect(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{address}: no Dask scheduler answers: {error}") from None
    with client:
        _check_versions(client, address)
        yield client.get_executor()


def _check_versions(client: Any, address: str) -> None:
    """Other code would give other results under the same name."""
    from simulator.analysis.remembered import code

    mine = code()
    for worker, theirs in client.run(_code_there).items():
        if theirs != mine:
            raise InputError(f"{address}: worker {worker} runs another version of breakeven")


def _code_there() -> str:
    from simulator.analysis.remembered import code

    return code()
