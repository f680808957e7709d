"""An executor on the workers of a Dask scheduler, which ends every task in any case.

Dask itself gives the tasks of a worker that dies to others. This module ends the cases in which
Dask would wait forever: a scheduler that is gone or silent, and a cluster without workers. Versions
of the code and of packages are compared by each task on its worker, since workers may join later.
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
from simulator.files.optional import missing_package
from simulator.scenario.document.shipped import profiles_dir

PATIENCE_S = 600.0
"""Longest wait for a worker to connect, or for the scheduler to answer."""
LOOK_S = 1.0
"""Interval between checks of the scheduler."""
ANSWER_S = 10.0
"""Timeout of one call of the scheduler."""
CLOSE_S = 1.0
"""Timeout of closing the connection."""
WARN_S = 5.0
"""Wait for a worker or an answer after which the user is warned."""
LEAST_AHEAD = 8
"""Fewest tasks submitted before the first is done, enough while no worker is known."""
PACKAGES = ("numpy", "scipy", "numba", "simpy", "genai-prices")
"""Packages whose versions may change results, if only in the last digit."""


@contextmanager
def cluster(address: str) -> Iterator["Cluster"]:
    """Return a context with an executor of an existing Dask cluster.

    Its tasks raise ``SimulatorError`` if the scheduler is lost, if no worker connects, or if
    workers keep dying at one task, and ``InputError`` if a worker has other versions.

    Raises
    ------
    InputError
        If ``distributed`` is missing, or no scheduler answers.
    """
    try:
        import dask
        import distributed
    except ImportError:
        raise missing_package("distributed", "a Dask cluster") from None
    # Dask has no type annotations.
    connect: Any = distributed.Client
    settings: Any = dask.config.set
    # Logs are sent within their task: data that is scattered ahead is lost with its worker.
    with settings({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
        try:
            client = connect(address, timeout=f"{ANSWER_S}s", set_as_default=False)
        except (OSError, ValueError) as error:
            raise InputError(f"{address}: no Dask scheduler answers: {error}") from None
        with _quiet_dask_log(), Cluster(client, address) as executor:
            try:
                yield executor
            finally:
                with suppress(TimeoutError, OSError):
                    client.close(timeout=CLOSE_S)


class Cluster(Executor):
    """Executor that submits tasks to the workers of a Dask client."""

    def __init__(self, client: Any, address: str) -> None:
        self._client = client
        self._address = address
        self._waiting: set[Future[Any]] = set()
        self._threads = 0
        self._closed = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def ahead(self) -> int:
        """Number of tasks to submit before the first is done."""
        return max(LEAST_AHEAD, 2 * self._threads)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submit a task to any worker."""
        task = _Task(installed(), pickle.dumps((fn, args, kwargs), protocol=5))
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        self._waiting.add(future)
        try:
            remote = self._client.submit(pickle.loads, pickle.dumps(task), pure=False)
        except Exception as error:  # a closed client raises no narrower class
            self._end(future, error=self._gone(str(error)))
        else:
            self._client.loop.add_callback(self._pass_on, future, remote)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Stop watching the scheduler."""
        self._closed.set()

    async def _pass_on(self, future: Future[Any], remote: Any) -> None:
        """Pass the outcome of a remote task on to its future."""
        try:
            result, error = await self._client.gather(remote, asynchronous=True)
        except (asyncio.CancelledError, CancelledError, OSError, TimeoutError):
            result, error = None, self._gone("the connection is lost")
        except Exception as failure:
            result, error = None, self._failed(failure)
        self._end(future, result, error)

    def _end(
        self, future: Future[Any], result: Any = None, error: BaseException | None = None
    ) -> None:
        self._waiting.discard(future)
        with suppress(InvalidStateError):  # already ended by the other thread
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

    def _gone(self, why: str) -> SimulatorError:
        return SimulatorError(
            f"{self._address}: lost the Dask scheduler: {_first_line(why)}; run again to resume"
        )

    def _failed(self, failure: Exception) -> SimulatorError:
        """Return the error for a task that Dask could not run."""
        from distributed import KilledWorker

        if isinstance(failure, KilledWorker):
            return SimulatorError(
                f"{self._address}: workers died at one task {failure.allowed_failures + 1} times, "
                f"the last at {failure.last_worker.address}: do they have enough memory? "
                "run again to resume"
            )
        return InputError(
            f"{self._address}: a worker has another version of breakeven, or none: "
            f"{_first_line(str(failure))}"
        )

    def _watch(self) -> None:
        """Check the scheduler regularly, and end all tasks after a long wait for workers."""
        seen_s, has_warned = time.monotonic(), False
        while not self._closed.wait(LOOK_S):
            answered, self._threads = self._count()
            if self._threads or not self._waiting:
                seen_s, has_warned = time.monotonic(), False
                continue
            silent_s = time.monotonic() - seen_s
            reason = "no worker is connected" if answered else "the Dask scheduler does not answer"
            if silent_s > WARN_S and not has_warned:
                has_warned = True
                with suppress(
                    UserWarning
                ):  # warnings may be errors, which must not end this thread
                    warnings.warn(f"{self._address}: waiting: {reason}", stacklevel=1)
            if silent_s > PATIENCE_S:
                lost = SimulatorError(
                    f"{self._address}: waited {silent_s:.0f} s: {reason}; run again to resume"
                )
                for future in list(self._waiting):
                    self._end(future, error=lost)

    def _count(self) -> tuple[bool, int]:
        """Return whether the scheduler answers, and the number of threads of its workers."""
        try:
            threads = self._client.sync(self._client.scheduler.ncores, callback_timeout=ANSWER_S)
        except Exception:  # any failure means that there is no answer
            return False, 0
        return True, sum(threads.values())


@cache
def installed() -> dict[str, str]:
    """Return the versions that results depend on in addition to the scenario, by name."""
    versions = {"breakeven": f"{code_hash()} {content_hash(profiles_dir())}"}
    versions["Python"] = ".".join(platform.python_version_tuple()[:2])
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


class _Task:
    """A task that runs on a worker when it is unpickled.

    Dask itself handles only bytes and ``pickle.loads``. A function that it cannot unpickle would
    end the worker without a message about what is missing there.
    """

    def __init__(self, expected: dict[str, str], packed: bytes) -> None:
        self._arguments = expected, packed

    def __reduce__(self) -> tuple[Any, ...]:
        return _run_on_worker, self._arguments


def _run_on_worker(expected: dict[str, str], packed: bytes) -> tuple[Any, Exception | None]:
    """Run a task if the worker has the expected versions; return its result or its error."""
    versions = installed()
    different = [name for name in expected if versions.get(name) != expected[name]]
    if different:
        from distributed import get_worker

        error: Exception = InputError(
            f"worker {get_worker().address} has another version of {', '.join(different)}, "
            "which may change results"
        )
        return None, error
    fn, args, kwargs = pickle.loads(packed)
    try:
        return fn(*args, **kwargs), None
    except Exception as error:
        error.add_note(traceback.format_exc())
        return None, error


@contextmanager
def _quiet_dask_log() -> Iterator[None]:
    """Suppress Dask's messages on lost connections, which become a one-line error."""
    loggers = (logging.getLogger(name) for name in ("distributed", "distributed.client"))
    levels = {handler: handler.level for logger in loggers for handler in logger.handlers}
    try:
        for handler in levels:
            handler.setLevel(logging.CRITICAL)
        yield
    finally:
        for handler, level in levels.items():
            handler.setLevel(level)


def _first_line(text: str) -> str:
    """Return the first line of a text."""
    return next(iter(text.strip().splitlines()), "no reason given")
