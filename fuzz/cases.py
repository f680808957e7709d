"""Samples and readers, and the verdict on one case."""

import re
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Literal

import simulator
from fuzz.sandbox import Sandbox
from simulator.errors import SimulatorError

Form = Literal["text", "json", "jsonl", "yaml", "csv", "parquet", "npz"]
Status = Literal["accepted", "refused", "fault"]

_WAITS = 6
"""Wall time that a reader may take, as a multiple of its limit of CPU time."""
LIMIT_S = 10.0
"""CPU time after which a reader of a small input is considered to hang."""
_PRODUCT = Path(simulator.__file__).parent
_LOCATION = re.compile(r".+?:\d+:\d+: ", re.DOTALL)
_SHOWN_FRAMES = 4


@dataclass(frozen=True, slots=True)
class Sample:
    """A valid input: a file, or the text of an argument."""

    name: str
    """Name of the file; some readers determine the format by its suffix."""
    data: bytes
    form: Form = "text"
    """Format in which it is parsed for mutations of its structure."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A function of the product that reads a file or a text from outside."""

    name: str
    samples: Callable[[], Sequence[Sample]]
    """Samples, which are made on first use since some need a simulation."""
    read: Callable[[Path, Path], object]
    """Reads the file at the first path, and may only write to the folder at the second."""
    placed: bool = False
    """Whether every message must begin with file, line and column."""
    slow: bool = False
    """Whether a case takes so long that the short run in the tests leaves the reader out."""


class Unusable(Exception):
    """The command line refuses the arguments as wrong usage, with exit code 2."""


class TooSlow(BaseException):
    """A reader ran out of time; no ``Exception``, so that no handler within a reader catches it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Result of a reader on one input."""

    status: Status
    kind: str = ""
    """Kind of fault: the type of an exception, or a description."""
    where: str = ""
    """Innermost line of the product in the traceback."""
    path: tuple[str, ...] = ()
    """Last frames of the product in the traceback, outermost first."""
    message: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Key that distinguishes faults."""
        return self.kind, self.where


def judged(reader: Reader, sample: Sample, sandbox: Sandbox, limit_s: float = LIMIT_S) -> Verdict:
    """Run a reader on one input and return the verdict."""
    path, out = sandbox.fresh(sample.name, sample.data)
    refusal: SimulatorError | Unusable | None = None
    try:
        with warnings.catch_warnings(), sandbox.watched() as strays, _alarm(limit_s):
            warnings.simplefilter("ignore")
            reader.read(path, out)
    except (SimulatorError, Unusable) as error:
        refusal = error
    except TooSlow as error:
        # The line at which time ran out says little, so that a reader has only one such fault.
        return _fault("takes too long", error, f"after {limit_s:g} s", where=reader.name)
    except Exception as error:
        return _fault(type(error).__name__, error, str(error))
    if strays:
        return Verdict("fault", "writes outside of its folder", reader.name, message=strays[0])
    if refusal is None:
        return Verdict("accepted")
    message = str(refusal)
    if reader.placed and not _LOCATION.match(message):
        return _fault("message without a location", refusal, message)
    return Verdict("refused", message=message)


@contextmanager
def _alarm(limit_s: float) -> Iterator[None]:
    """Raise TooSlow in the block when it has taken too much CPU time, or too much wall time.

    The limit is on CPU time, since wall time depends on the load of the machine.
    """

    def raise_too_slow(number: int, frame: FrameType | None) -> None:
        raise TooSlow

    clocks = (
        (signal.SIGPROF, signal.ITIMER_PROF, limit_s),
        (signal.SIGALRM, signal.ITIMER_REAL, _WAITS * limit_s),
    )
    before = [signal.signal(number, raise_too_slow) for number, _, _ in clocks]
    for _, clock, seconds in clocks:
        signal.setitimer(clock, seconds)
    try:
        yield
    finally:
        for (number, clock, _), handler in zip(clocks, before, strict=True):
            signal.setitimer(clock, 0.0)
            signal.signal(number, handler)


def _fault(kind: str, error: BaseException, message: str, where: str = "") -> Verdict:
    frames = [
        (Path(frame.filename).relative_to(_PRODUCT.parent).as_posix(), frame.lineno, frame.name)
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(_PRODUCT)
    ]
    path = tuple(f"{file}:{line} {name}" for file, line, name in frames[-_SHOWN_FRAMES:])
    if not where and frames:
        file, line, name = frames[-1]
        # A stack may overflow at any line of a recursion, and memory may end at any line.
        is_random_line = isinstance(error, RecursionError | MemoryError)
        where = f"{file} {name}" if is_random_line else f"{file}:{line} {name}"
        if isinstance(error, SimulatorError):
            where = " < ".join(f"{f}:{n} {caller}" for f, n, caller in frames[:-3:-1])
    return Verdict("fault", kind, where or "outside of the product", path, message[:300])
