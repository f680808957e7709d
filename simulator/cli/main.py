"""The entry point of ``breakeven``: runs a command and turns failures into exit codes.

Every expected failure is a line on standard error: each fault of an input, a full disk, a closed
pipe, an interrupt. An interrupt ends the process within a second or two even in the middle of
compiled code, with no file half-written and no worker process left.
"""

import os
import signal
import sys
import threading
import time
import warnings
from types import FrameType
from typing import Any, NoReturn

GRACE_S = 1.2
"""Time for an orderly end after an interrupt, before the process is killed."""
MOST_FAULTS = 20
"""Faults of an input that are printed at most."""
_INTERRUPTS = (signal.SIGINT, signal.SIGTERM)
_received: list[int] = []
"""Number of the interrupt that is being handled, if any."""
_end_lock, _message_lock = threading.Lock(), threading.Lock()


class _Interrupted(BaseException):
    """Propagating interrupt; libraries would catch or convert a KeyboardInterrupt."""


def main() -> None:
    """Run the command line; print expected failures, a line each, and exit with their code."""
    try:
        _watch_interrupts()
        _run()
    except BaseException:
        # An extension module whose import is interrupted raises an error of its own instead.
        if not _received:
            raise
        _exit_interrupted(_received[0])
    finally:
        # Python removes its own handlers during finalisation: a late signal would kill it.
        for number in _INTERRUPTS:
            signal.signal(number, signal.SIG_IGN)


def _exit_interrupted(number: int) -> NoReturn:
    if "multiprocessing" not in sys.modules:
        _end(number)
    # A regular exit releases the locks of multiprocessing; _end_after ends it if it is slow.
    _print_interrupted()
    sys.exit(128 + number)


def _run() -> None:
    import gc
    import io

    # Reference cycles are rare here. At its default thresholds the collector scans millions of live
    # rows again and again, which took half the time of reading a log.
    gc.set_threshold(200_000, 50, 100)
    # Compiles in half the time and runs as fast: the kernels follow links and have no loops that
    # more optimisation would speed up. Set here only: a library must not decide this for its users.
    os.environ.setdefault("NUMBA_OPT", "1")
    warnings.showwarning = _warn
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                errors="backslashreplace"
            )  # no error for characters that the terminal cannot show
    from simulator.cli.app import app
    from simulator.errors import InfeasibleError, InputError, SimulatorError

    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # report a full disk or a closed pipe here, not at exit
    except InfeasibleError as error:
        reasons = "".join(f"\n  {name}: {reason}" for name, reason in error.excuses.items())
        _fail(f"{error}{reasons}", error.exit_code)
    except InputError as error:
        _fail(_listed(error.errors), error.exit_code)
    except SimulatorError as error:
        _fail(str(error), error.exit_code)
    except BrokenPipeError:
        # The reader closed the pipe: print no message, and flush nothing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        name = error.filename if isinstance(error.filename, str) else "standard output"
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _fail(f"{name}: {error.strerror or error}", 1)
    except MemoryError:
        _fail("out of memory: try fewer requests, options or jobs", 1)


def _listed(faults: tuple[str, ...]) -> str:
    """Return the lines of a message: the first faults, and how many there are besides."""
    more = len(faults) - MOST_FAULTS
    lines = [*faults[:MOST_FAULTS], *([f"and {more} more"] if more > 0 else [])]
    return "\nbreakeven: ".join(lines)


def _warn(message: Warning | str, *_: Any, **__: Any) -> None:
    sys.stderr.write(f"breakeven: {message}\n")


def _fail(message: str, code: int) -> NoReturn:
    sys.stderr.write(f"breakeven: {message}\n")
    sys.exit(code)


def _watch_interrupts() -> None:
    """Let an interrupt unwind the main thread, and end the process soon after in any case.

    Python's handlers run between two instructions of the main thread, which may stay in compiled
    code for long. The wakeup descriptor gets the signal's number at once, whatever runs.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in _INTERRUPTS:
        signal.signal(number, _raise_interrupted)
    threading.Thread(target=_end_after, args=(reading,), daemon=True).start()


def _raise_interrupted(number: int, _: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)
    _received.append(number)
    # Errors of code that is being unwound are of no interest to the user.
    sys.unraisablehook = _ignore
    threading.excepthook = _ignore
    raise _Interrupted


def _ignore(_: Any) -> None:
    pass


def _end_after(reading: int) -> None:
    number = os.read(reading, 1)[0]
    time.sleep(GRACE_S)
    _end(number)


def _end(number: int) -> NoReturn:
    """End the process at once, without half-written files or worker processes."""
    with _end_lock:
        if "simulator.files.writing" in sys.modules:
            sys.modules["simulator.files.writing"].abandon()
        if "multiprocessing" in sys.modules:
            for child in sys.modules["multiprocessing"].active_children():
                child.kill()
            # Release its named locks, as a regular exit does, if that is quick.
            util = sys.modules["multiprocessing.util"]
            tidying = threading.Thread(target=util._run_finalizers, args=(0,), daemon=True)
            tidying.start()
            tidying.join(0.3)
        _print_interrupted()
        os._exit(128 + number)


def _print_interrupted() -> None:
    if _message_lock.acquire(blocking=False):
        os.write(2, b"breakeven: interrupted\n")
