"""The workers of a Dask scheduler as an executor: whatever becomes of them, every task ends.

A worker that dies is Dask's matter: its tasks go to others. What Dask waits for without an end is
ended here: a scheduler that is gone or silent, and a cluster without workers. What results depend
on besides the scenario is compared where a task is done, since workers come and go meanwhile.
"""

import asyncio
import logging
import pickle
import platform
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future, InvalidStateError
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from simulator.analysis.commands.result_cache import code_hash, content_hash
from simulator.errors import InputError, SimulatorError
from simulator.scenario.document.shipped import profiles_dir

PATIENCE_S = 600.0
"""Without any worker, or without a word from the scheduler."""
LOOK_S = 1.0
"""From one look at the scheduler to the next."""
ANSWER_S = 10.0
"""For the scheduler to answer."""
CLOSE_S = 1.0
"""For it to take leave."""
SAID_S = 5.0
"""Without any worker, until the user is told."""
LEAST_AHEAD = 8
"""Tasks handed out before the first is done: enough to start with while no worker is known."""
PACKAGES = ("numpy", "scipy", "numba", "simpy", "genai-prices")
"""Whose versions may change the last digit of a result, or more."""


@contextmanager
def cluster(address: str) -> Iterator["Cluster"]:
    """Give an executor of an existing Dask cluster.

    Its tasks raise ``SimulatorError`` when the scheduler is lost, when no worker comes, or when
    workers keep dying at one of them, and ``InputError`` when a worker has other versions.

    Raises
    ------
    InputError
        Without ``distributed``, or when no scheduler answers.
    """
    try:
        import dask
        import distributed
    except ImportError:
        raise InputError(
            "a Dask cluster needs distributed: pip install 'breakeven[dask]'"
        ) from None
    # Its functions have no types.
    connect: Any = distributed.Client
    settings: Any = dask.config.set
    # A log travels within its task, since data that is sent ahead dies with the worker that has it.
    with settings({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
        try:
            client = connect(address, timeout=f"{ANSWER_S}s", set_as_default=False)
        except (OSError, ValueError) as error:
            raise InputError(f"{address}: no Dask scheduler answers: {error}") from None
        with _quiet(), Cluster(client, address) as executor:
            try:
                yield executor
            finally:
                with suppress(TimeoutError, OSError):
                    client.close(timeout=CLOSE_S)


class Cluster(Executor):
    """Hands tasks to the workers of a Dask client."""

    def __init__(self, client: Any, address: str) -> None:
        self._client = client
        self._address = address
        self._waiting: set[Future[Any]] = set()
        self._threads = 0
        self._closed = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def ahead(self) -> int:
        """How many tasks are best handed out before the first is done."""
        return max(LEAST_AHEAD, 2 * self._threads)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Hand a task to some worker."""
        task = _Task(installed(), pickle.dumps((fn, args, kwargs), protocol=5))
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        self._waiting.add(future)
        try:
            there = self._client.submit(pickle.loads, pickle.dumps(task), pure=False)
        except Exception as error:  # of no narrower class, where the client has been closed
            self._end(future, error=self._gone(str(error)))
        else:
            self._client.loop.add_callback(self._pass_on, future, there)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Look at the scheduler no more."""
        self._closed.set()

    async def _pass_on(self, future: Future[Any], there: Any) -> None:
        """Tell what becomes of a task."""
        try:
            found, error = await self._client.gather(there, asynchronous=True)
        except (asyncio.CancelledError, CancelledError, OSError, TimeoutError):
            found, error = None, self._gone("the connection is lost")
        except Exception as failure:
            found, error = None, self._failed(failure)
        self._end(future, found, error)

    def _end(
        self, future: Future[Any], found: Any = None, error: BaseException | None = None
    ) -> None:
        self._waiting.discard(future)
        with suppress(InvalidStateError):  # ended otherwise just now
            if error is None:
                future.set_result(found)
            else:
                future.set_exception(error)

    def _gone(self, why: str) -> SimulatorError:
        return SimulatorError(
            f"{self._address}: the Dask scheduler is gone: {_line(why)}; "
            "run again to go on from there"
        )

    def _failed(self, failure: Exception) -> SimulatorError:
        """Why Dask could not have a task done."""
        from distributed import KilledWorker

        if isinstance(failure, KilledWorker):
            return SimulatorError(
                f"{self._address}: workers died at one task {failure.allowed_failures + 1} times, "
                f"the last at {failure.last_worker.address}: do they have memory enough? "
                "run again to go on from there"
            )
        return InputError(
            f"{self._address}: a worker has another version of breakeven, or none: "
            f"{_line(str(failure))}"
        )

    def _watch(self) -> None:
        """Look whether there is anybody left to wait for."""
        seen, is_said = time.monotonic(), False
        while not self._closed.wait(LOOK_S):
            answered, self._threads = self._count()
            if self._threads or not self._waiting:
                seen, is_said = time.monotonic(), False
                continue
            silent_s = time.monotonic() - seen
            who = "no worker is connected" if answered else "the Dask scheduler does not answer"
            if silent_s > SAID_S and not is_said:
                is_said = True
                with suppress(UserWarning):  # where warnings are errors, this is none of a task
                    warnings.warn(f"{self._address}: waiting: {who}", stacklevel=1)
            if silent_s > PATIENCE_S:
                lost = SimulatorError(
                    f"{self._address}: waited {silent_s:.0f} s: {who}; "
                    "run again to go on from there"
                )
                for future in list(self._waiting):
                    self._end(future, error=lost)

    def _count(self) -> tuple[bool, int]:
        """Whether the scheduler answers, and how many threads its workers have."""
        try:
            threads = self._client.sync(self._client.scheduler.ncores, callback_timeout=ANSWER_S)
        except Exception:  # whatever it is, there is no answer
            return False, 0
        return True, sum(threads.values())


@cache
def installed() -> dict[str, str]:
    """Return what results depend on besides the scenario, by name."""
    found = {"breakeven": f"{code_hash()} {content_hash(profiles_dir())}"}
    found["Python"] = ".".join(platform.python_version_tuple()[:2])
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


class _Task:
    """Something to do on a worker, which happens when it is unpacked.

    So Dask itself handles bytes and a function of Python's own. What it cannot unpack would end the
    worker, without a word about what is missing there.
    """

    def __init__(self, expected: dict[str, str], packed: bytes) -> None:
        self._arguments = expected, packed

    def __reduce__(self) -> tuple[Any, ...]:
        return _done_there, self._arguments


def _done_there(expected: dict[str, str], packed: bytes) -> tuple[Any, Exception | None]:
    """Do something on a worker that is as expected: what it finds, or what it raises."""
    here = installed()
    other = [name for name in expected if here.get(name) != expected[name]]
    if other:
        from distributed import get_worker

        error: Exception = InputError(
            f"worker {get_worker().address} has another version of {', '.join(other)}, which may "
            "give other results"
        )
        return None, error
    fn, args, kwargs = pickle.loads(packed)
    try:
        return fn(*args, **kwargs), None
    except Exception as error:
        error.add_note(traceback.format_exc())
        return None, error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's own words on lost connections from the user, who is told in a line."""
    loggers = (logging.getLogger(name) for name in ("distributed", "distributed.client"))
    levels = {handler: handler.level for logger in loggers for handler in logger.handlers}
    try:
        for handler in levels:
            handler.setLevel(logging.CRITICAL)
        yield
    finally:
        for handler, level in levels.items():
            handler.setLevel(level)


def _line(text: str) -> str:
    """The first line of a text."""
    return next(iter(text.strip().splitlines()), "no reason is known")
