"""The command ``breakeven``: options in, one document or one screen out, an exit code.

Whatever ends a command is one line on standard error: an input that cannot be used, a disk that is
full, a reader that has gone away, an interrupt. An interrupt ends the process within a second or
two even in the middle of compiled code, with nothing half-written and no worker left.
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
"""After an interrupt, for what is under way to be left in order."""
_INTERRUPTS = (signal.SIGINT, signal.SIGTERM)
_ended, _unsaid = threading.Lock(), threading.Lock()


class _Interrupted(BaseException):
    """An interrupt on its way out; libraries make something else of KeyboardInterrupt."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def main() -> None:
    """Run the command line; every expected failure is one line and its exit code."""
    try:
        _watch_interrupts()
        _run()
    except _Interrupted as interrupt:
        if "multiprocessing" not in sys.modules:
            _end(interrupt.number)
        # Its locks are given back by a regular exit; one that takes long is ended all the same.
        _say_interrupted()
        sys.exit(128 + interrupt.number)
    finally:
        # All is said and done; while Python tidies up, its own handlers are gone already.
        for number in _INTERRUPTS:
            signal.signal(number, signal.SIG_IGN)


def _run() -> None:
    import gc
    import io

    # Next to nothing here dies in circles. At its usual pace the collector goes through millions of
    # live rows again and again, which took half the time of reading a log.
    gc.set_threshold(200_000, 50, 100)
    # Compiles in half the time and runs as fast: the data plane follows links and has no loops that
    # a better optimiser could make more of. Only here: a library must not decide this for others.
    os.environ.setdefault("NUMBA_OPT", "1")
    warnings.showwarning = _warn
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # whatever the terminal can show
    from simulator.cli.app import app
    from simulator.errors import InfeasibleError, SimulatorError

    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # a full disk or a closed pipe is told here, and not at exit
    except InfeasibleError as error:
        reasons = "".join(f"\n  {name}: {reason}" for name, reason in error.excuses.items())
        _fail(f"{error}{reasons}", error.exit_code)
    except SimulatorError as error:
        _fail(str(error), error.exit_code)
    except BrokenPipeError:
        # The reader has closed the pipe: no message is needed, and nothing is flushed at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        name = error.filename if isinstance(error.filename, str) else "standard output"
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _fail(f"{name}: {error.strerror or error}", 1)
    except MemoryError:
        _fail("out of memory: fewer requests, options or jobs take less", 1)


def _warn(message: Warning | str, *_: Any, **__: Any) -> None:
    sys.stderr.write(f"breakeven: {message}\n")


def _fail(message: str, code: int) -> NoReturn:
    sys.stderr.write(f"breakeven: {message}\n")
    sys.exit(code)


def _watch_interrupts() -> None:
    """Let an interrupt unwind the main thread, and end the process soon after in any case.

    Python's own handlers run between two instructions of the main thread, which may be in compiled
    code for long. The number of a signal is written to a pipe at once, whatever runs.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in _INTERRUPTS:
        signal.signal(number, _interrupted)
    threading.Thread(target=_end_after, args=(reading,), daemon=True).start()


def _interrupted(number: int, _: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)
    # What breaks on the way out is not what the user wants to read about.
    sys.unraisablehook = _say_nothing
    threading.excepthook = _say_nothing
    raise _Interrupted(number)


def _say_nothing(_: Any) -> None:
    pass


def _end_after(reading: int) -> None:
    number = os.read(reading, 1)[0]
    time.sleep(GRACE_S)
    _end(number)


def _end(number: int) -> NoReturn:
    """End the process at once: no file half-written, no worker left, one line."""
    with _ended:
        if "simulator.files.writing" in sys.modules:
            sys.modules["simulator.files.writing"].abandon()
        if "multiprocessing" in sys.modules:
            for child in sys.modules["multiprocessing"].active_children():
                child.kill()
            # Its named locks are given back, as a regular exit does, in so far as that is quick.
            util = sys.modules["multiprocessing.util"]
            tidying = threading.Thread(target=util._run_finalizers, args=(0,), daemon=True)
            tidying.start()
            tidying.join(0.3)
        _say_interrupted()
        os._exit(128 + number)


def _say_interrupted() -> None:
    if _unsaid.acquire(blocking=False):
        os.write(2, b"breakeven: interrupted\n")
