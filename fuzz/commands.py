"""Execution of the product's commands in this process."""

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
"""Longest argument on Linux [B]."""

_get_command = cache(get_command)
"""Builds all commands once, since that takes longer than most of them."""


def command(*arguments: str | Path) -> str:
    """Run a command and return its output; its errors are raised unchanged.

    Raises
    ------
    Unusable
        If the command line refuses the arguments.
    """
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
    err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace")
    try:
        with redirect_stdout(out), redirect_stderr(err):
            _get_command(app).main([str(a) for a in arguments], prog_name="breakeven")
    except SystemExit as exit_error:
        if exit_error.code == _WRONG_USAGE:
            raise Unusable(_printed(err)) from None
        if exit_error.code not in (0, None):
            raise _root_cause(exit_error) from None
    return _printed(out)


def _root_cause(error: BaseException) -> BaseException:
    """Return the first error of a chain, since even the end of a file looks like a user's abort."""
    while error.__context__ is not None:
        error = error.__context__
    return RuntimeError("exit code without a reason") if isinstance(error, SystemExit) else error


def _printed(stream: io.TextIOWrapper) -> str:
    """Return all text that was written to a stream."""
    stream.seek(0)
    return stream.read()


def argument(path: Path) -> str:
    """Return the file's content as a shell would pass it in an argument: bytes without NUL, cut."""
    data = path.read_bytes().replace(b"\x00", b"")[:_LONGEST_ARGUMENT]
    return data.decode("utf-8", "surrogateescape")


def given(path: Path) -> Any:
    """Return the JSON value in a file, for the arguments of a call.

    Raises
    ------
    Unusable
        If the file is not JSON, which does not concern the product.
    """
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise Unusable("not JSON") from None


def texts(value: Any) -> dict[str, str]:
    """Return a value as texts by name, for example for the options of a command.

    Raises
    ------
    Unusable
        If it is not a mapping.
    """
    if not isinstance(value, dict):
        raise Unusable("no mapping")
    try:
        plain = {name: v if isinstance(v, str) else str(v) for name, v in value.items()}
    except ValueError:  # an integer with more digits than Python converts
        raise Unusable("no text") from None
    return {name: text.replace("\x00", "") for name, text in plain.items() if name}
