"""Samples, readers, and the verdict on one case."""

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
"""Times the limit of its work that a reader may take in all."""
LIMIT_S = 10.0
"""A reader that takes longer over a small input hangs."""
_PRODUCT = Path(simulator.__file__).parent
_PLACE = re.compile(r".+?:\d+:\d+: ", re.DOTALL)
_SHOWN_FRAMES = 4


@dataclass(frozen=True, slots=True)
class Sample:
    """A valid input: a file, or the text of an argument."""

    name: str
    """Of the file; its suffix tells some readers the format."""
    data: bytes
    form: Form = "text"
    """How it is taken apart for mutations of its structure."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Something that takes a file or a text from outside."""

    name: str
    samples: Callable[[], Sequence[Sample]]
    """Made when they are first needed, since some take a simulation."""
    read: Callable[[Path, Path], object]
    """Reads the file at the first path; what it writes belongs into the folder at the second."""
    placed: bool = False
    """Whether every message must begin with file, line and column."""
    slow: bool = False
    """Whether a case takes so long that the short run of the tests leaves the reader out."""


class Unusable(Exception):
    """Raised by a reader for what the command line refuses as wrong usage, with exit code 2."""


class TooSlow(BaseException):
    """Raised within a reader when its time is over; no handler of errors takes it for one."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reader made of one input."""

    status: Status
    kind: str = ""
    """Of a fault: the type of an exception, or what is wrong."""
    where: str = ""
    """Innermost line of the product."""
    path: tuple[str, ...] = ()
    """The last frames of the product, outermost first."""
    message: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What tells distinct faults apart."""
        return self.kind, self.where


def judged(reader: Reader, sample: Sample, sandbox: Sandbox, limit_s: float = LIMIT_S) -> Verdict:
    """Let a reader read one input, and say what came of it."""
    path, out = sandbox.fresh(sample.name, sample.data)
    refusal: SimulatorError | Unusable | None = None
    try:
        with warnings.catch_warnings(), sandbox.watched() as strays, _alarm(limit_s):
            warnings.simplefilter("ignore")
            reader.read(path, out)
    except (SimulatorError, Unusable) as error:
        refusal = error
    except TooSlow as error:
        # Where time ran out says little: one fault for each reader.
        return _fault("takes too long", error, f"after {limit_s:g} s", where=reader.name)
    except Exception as error:
        return _fault(type(error).__name__, error, str(error))
    if strays:
        return Verdict("fault", "writes outside of its folder", reader.name, message=strays[0])
    if refusal is None:
        return Verdict("accepted")
    message = str(refusal)
    if reader.placed and not _PLACE.match(message):
        return _fault("message without a place", refusal, message)
    return Verdict("refused", message=message)


@contextmanager
def _alarm(limit_s: float) -> Iterator[None]:
    """Raise TooSlow within the block when it has worked, or waited, for too long.

    Work is counted in CPU time, which a busy machine does not stretch.
    """

    def over(number: int, frame: FrameType | None) -> None:
        raise TooSlow

    clocks = (
        (signal.SIGPROF, signal.ITIMER_PROF, limit_s),
        (signal.SIGALRM, signal.ITIMER_REAL, _WAITS * limit_s),
    )
    before = [signal.signal(number, over) for number, _, _ in clocks]
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
        # A stack overflows at any line of what calls itself; memory ends anywhere as well.
        endless = isinstance(error, RecursionError | MemoryError)
        where = f"{file} {name}" if endless else f"{file}:{line} {name}"
        if isinstance(error, SimulatorError):
            where = " < ".join(f"{f}:{n} {what}" for f, n, what in frames[:-3:-1])
    return Verdict("fault", kind, where or "outside of the product", path, message[:300])
