"""Commands of the product without a process of their own."""

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

from typer.main import get_command

from fuzz.cases import Unusable
from simulator.cli.app import app

_WRONG_USAGE = 2
_LONGEST_ARGUMENT = 131_071
"""Bytes, on Linux."""

_whole = cache(get_command)
"""All commands, put together once: that takes longer than most of them."""


def command(*arguments: str | Path) -> str:
    """Run a command and return what it printed; its errors come through as they are.

    Raises
    ------
    Unusable
        When the command line refuses the arguments themselves.
    """
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
    err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace")
    try:
        with redirect_stdout(out), redirect_stderr(err):
            _whole(app).main([str(a) for a in arguments], prog_name="breakeven")
    except SystemExit as end:
        if end.code == _WRONG_USAGE:
            raise Unusable(_printed(err)) from None
        if end.code not in (0, None):
            raise _first(end) from None
    return _printed(out)


def _first(error: BaseException) -> BaseException:
    """Return what came first: the end of a file, too, ends a command as if a person had."""
    while error.__context__ is not None:
        error = error.__context__
    return RuntimeError("exit code without a reason") if isinstance(error, SystemExit) else error


def _printed(stream: io.TextIOWrapper) -> str:
    """Return what went into a stream that keeps all of it."""
    stream.seek(0)
    return stream.read()


def argument(path: Path) -> str:
    """Return an argument as a shell passes it: any bytes but NUL, as far as they go."""
    data = path.read_bytes().replace(b"\x00", b"")[:_LONGEST_ARGUMENT]
    return data.decode("utf-8", "surrogateescape")


def given(path: Path) -> Any:
    """Return the values of a call that a file holds as JSON.

    Raises
    ------
    Unusable
        When it holds none, which is no matter of the product.
    """
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise Unusable("not JSON") from None


def texts(value: Any) -> dict[str, str]:
    """Return named texts, such as the options of a command, of whatever was given.

    Raises
    ------
    Unusable
        When it is no mapping.
    """
    if not isinstance(value, dict):
        raise Unusable("no mapping")
    try:
        plain = {name: v if isinstance(v, str) else str(v) for name, v in value.items()}
    except ValueError:  # a number of more digits than Python writes
        raise Unusable("no text") from None
    return {name: text.replace("\x00", "") for name, text in plain.items() if name}
