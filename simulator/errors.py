"""Errors with exit codes. The library raises them; only the command line prints.

SimulatorError            1
├── InputError            3   a scenario, profile, price or trace is unusable
└── InfeasibleError       4   no option meets the latency targets
"""


class SimulatorError(Exception):
    """Base of all errors that the simulator reports; the message is one line."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class InputError(SimulatorError):
    """Unusable input; the message has file, line and column if there are any."""

    exit_code = 3


class InfeasibleError(SimulatorError):
    """No option meets the latency targets; ``excuses`` has the reason of each option."""

    exit_code = 4

    def __init__(self, message: str, excuses: dict[str, str]) -> None:
        super().__init__(message)
        self.excuses = excuses


def printable(text: str) -> str:
    """Return a text with line breaks and other unprintable characters escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def nearest(name: str, known: list[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the closest known name, or an empty string."""
    close = closest(name, known)
    return "" if close is None else f" (did you mean {close!r}?)"


def closest(name: str, known: list[str]) -> str | None:
    """Return the known name whose spelling is closest, None if none is close."""
    import difflib

    close = difflib.get_close_matches(name.lower(), [k.lower() for k in known], n=1, cutoff=0.5)
    return next(k for k in known if k.lower() == close[0]) if close else None
