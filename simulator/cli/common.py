"""What several commands share: the forms of a result and how they are printed."""

import json
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console


class Output(StrEnum):
    """Forms of the result on standard output."""

    TABLE = "table"
    JSON = "json"


ScenarioArgument = Annotated[
    str, typer.Argument(metavar="SCENARIO", help="YAML file, or the name of a shipped scenario.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Override one value; repeatable."),
]
SeedOption = Annotated[int | None, typer.Option("--seed", min=0, help="Replace the seed.")]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="Form of the result.")]


def json_text(document: dict[str, Any]) -> str:
    """Return a document as JSON with sorted keys."""
    return json.dumps(document, indent=2, sort_keys=True, allow_nan=False)


def print_json(document: dict[str, Any]) -> None:
    """Print a document, and nothing else, to standard output."""
    sys.stdout.write(json_text(document) + "\n")


def console() -> "Console":
    """Return a console on standard output."""
    from rich.console import Console

    return Console(highlight=False)
