"""Errors with exit codes. The library raises them; only the command line prints.

SimulatorError            1
├── InputError            3   a scenario, profile, price or trace is unusable
└── InfeasibleError       4   no option meets the latency targets
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
_PLACE = re.compile(r"(.*?):(\d+):(\d+): ")
"""Location at the start of a message: file, line and column."""


class SimulatorError(Exception):
    """Base of all errors that the simulator reports; the message is one line."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class InputError(SimulatorError):
    """Unusable input: one line for each fault, with file, line and column if there are any.

    Without a line, the input depends on another one whose fault is already reported.
    """

    exit_code = 3

    def __init__(self, *faults: str) -> None:
        Exception.__init__(self, *map(printable, faults))

    @property
    def errors(self) -> tuple[str, ...]:
        """The faults in the order of their places, one line each."""
        return self.args

    def __str__(self) -> str:
        return "\n".join(self.args)


class InfeasibleError(SimulatorError):
    """No option meets the latency targets; ``excuses`` has the reason of each option."""

    exit_code = 4

    def __init__(self, message: str, excuses: dict[str, str]) -> None:
        super().__init__(message)
        self.excuses = excuses


class Faults:
    """Collects the faults of parts that are independent of one another, to report all at once."""

    def __init__(self) -> None:
        self._lines: dict[str, None] = {}
        self._count = 0

    def __bool__(self) -> bool:
        return self._count > 0

    def add(self, error: InputError) -> None:
        """Note the faults of an error; a fault that is noted already counts once."""
        self._count += 1
        self._lines |= dict.fromkeys(error.errors)

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Note the faults of the statements inside, the last of which is the one that fails."""
        try:
            yield
        except InputError as error:
            self.add(error)

    def attempt(self, make: Callable[[], T]) -> T | None:
        """Return what a function returns, or None after noting its faults."""
        with self.collected():
            return make()
        return None

    def check(self) -> None:
        """Raise one error of all faults, in the order of their places, if there is any."""
        if self:
            raise InputError(*sorted(self._lines, key=_place))


def _place(line: str) -> tuple[str, int, int]:
    """Return the file, line and column of a message; a message without them is the first."""
    match = _PLACE.match(line)
    return (match[1], int(match[2]), int(match[3])) if match else ("", 0, 0)


def printable(text: str) -> str:
    """Return a text with line breaks and other unprintable characters escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def listed(names: Sequence[str], most: int) -> str:
    """Return the first of some names as words, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def nearest(name: str, known: list[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the closest known name, or an empty string."""
    close = closest(name, known)
    return "" if close is None else f" (did you mean {close!r}?)"


def closest(name: str, known: list[str]) -> str | None:
    """Return the known name whose spelling is closest, None if none is close."""
    import difflib

    longer = [k for k in known if re.match(re.escape(name) + r"[^a-z0-9]", k, re.IGNORECASE)]
    if len(longer) == 1:
        return longer[0]
    close = difflib.get_close_matches(name.lower(), [k.lower() for k in known], n=1, cutoff=0.5)
    return next(k for k in known if k.lower() == close[0]) if close else None
