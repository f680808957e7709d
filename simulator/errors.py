"""Errors that carry their exit code. The library raises; only the command line prints.

SimulatorError            1
├── InputError            3   a scenario, profile, price or trace that cannot be used
└── InfeasibleError       4   nothing meets the latency targets
"""


class SimulatorError(Exception):
    """Anything the simulator refuses to go on from; the message is one line."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class InputError(SimulatorError):
    """Bad input, named by file, line and column where it has them."""

    exit_code = 3


class InfeasibleError(SimulatorError):
    """No option meets the latency targets; ``excuses`` says why, by option."""

    exit_code = 4

    def __init__(self, message: str, excuses: dict[str, str]) -> None:
        super().__init__(message)
        self.excuses = excuses


def printable(text: str) -> str:
    """Return a text in which line breaks and all that no terminal shows are escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def nearest(name: str, known: list[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the closest known name, or nothing."""
    import difflib

    close = difflib.get_close_matches(name.lower(), [k.lower() for k in known], n=1, cutoff=0.5)
    if not close:
        return ""
    original = next(k for k in known if k.lower() == close[0])
    return f" (did you mean {original!r}?)"
