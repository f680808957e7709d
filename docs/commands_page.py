"""The page ``docs/commands.md``: its introduction, then all commands with all that they take."""

import typing
from collections.abc import Iterator
from datetime import datetime
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal

import typer
from page_parts import introduction, table
from typer.models import ArgumentInfo, OptionInfo

from simulator.cli.app import app

HEADINGS = ("takes", "type", "default", "what")
NOUNS = {int: "whole number", float: "number", str: "text", Path: "path", datetime: "date"}


def commands_page() -> str:
    """Return the page."""
    parts = _commands(typer.main.get_command(app), ("breakeven",))
    return "\n\n".join([introduction("commands"), *parts]) + "\n"


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[str]:
    """Yield the description of a command, or of all commands in a group."""
    if hasattr(command, "commands"):
        if command.params:
            yield f"### {' '.join(path)}"
            yield table(HEADINGS, [_row(parameter, bool) for parameter in command.params])
        for name, inner in command.commands.items():
            yield from _commands(inner, (*path, name))
        return
    yield f"### {' '.join(path)}"
    yield _plain(command.help)
    hints = typing.get_type_hints(command.callback, include_extras=True)
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    rows = [_row(parameter, hints[parameter.name]) for parameter in shown]
    yield table(HEADINGS, rows) if rows else "It takes nothing."


def _row(parameter: Any, annotation: Any) -> list[str]:
    kind, info = typing.get_args(annotation) or (annotation, None)
    is_option = parameter.param_type_name == "option"
    name = ", ".join(f"`{name}`" for name in sorted(parameter.opts, key=len, reverse=True))
    if not is_option:
        name = f"`{parameter.metavar}`"
    metavar = f" `{parameter.metavar}`" if is_option and parameter.metavar else ""
    return [f"{name}{metavar}", _words(kind, info), _default(parameter), _plain(parameter.help)]


def _words(kind: Any, info: OptionInfo | ArgumentInfo | None) -> str:
    """Say what may be given."""
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, UnionType):
        return _words(next(part for part in inside if part is not NoneType), info)
    if origin is Literal:
        return ", ".join(f"`{each}`" for each in inside)
    if origin is list:
        return f"{_words(inside[0], info)}, repeatable"
    if origin is tuple:
        return f"{len(inside)} {NOUNS[inside[0]]}s"
    if origin is typing.Literal:
        return ", ".join(f"`{each}`" for each in inside)
    if kind is bool:
        return "flag"
    assert info is not None
    if issubclass(kind, Enum):
        return ", ".join(f"`{each.value}`" for each in kind)
    first = "" if info.min is None else f" from {info.min:g}"
    last = "" if info.max is None else f" to {info.max:g}"
    return NOUNS[kind] + first + last


def _default(parameter: Any) -> str:
    value = parameter.default
    if parameter.required:
        return "needed"
    if value is None or value is False or value == "":
        return ""
    return f"`{value.value if isinstance(value, Enum) else value}`"


def _plain(text: str | None) -> str:
    return (text or "").strip()
