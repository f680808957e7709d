"""What several commands share: the forms of a result, how it is printed, and how long it takes."""

import sys
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console


class Output(StrEnum):
    """Forms of the result on standard output."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def _scenario_names(incomplete: str) -> list[str]:
    from simulator.scenario.document.shipped import shipped_scenarios

    return [name for name in shipped_scenarios() if name.startswith(incomplete)]


ScenarioArgument = Annotated[
    str,
    typer.Argument(
        metavar="SCENARIO",
        help="YAML file, or the name of a shipped scenario.",
        autocompletion=_scenario_names,
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE|NAME",
        help="Override one value, or take one of the scenario's overrides; repeatable.",
    ),
]
SeedOption = Annotated[int | None, typer.Option("--seed", min=0, help="Replace the seed.")]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="Form of the result.")]
WholeOption = Annotated[
    bool, typer.Option("--whole", help="Simulate the whole horizon, however long that takes.")
]
JobsOption = Annotated[
    int, typer.Option("--jobs", "-j", min=0, help="Workers; 0: one for each core.")
]


def show(
    output: Output,
    document: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    draw: Callable[["Console"], None],
) -> None:
    """Print a result in the form that was asked for, and nothing else, to standard output.

    Parameters
    ----------
    output : Output
        The form.
    document : mapping
        All of it, for JSON.
    rows : sequence of mappings
        Its table, for CSV; nested values are flattened.
    draw : callable
        Prints it for people.
    """
    if output is Output.JSON:
        print_json(document)
    elif output is Output.CSV:
        from simulator.report.documents.tidy import csv_text, flat

        sys.stdout.write(csv_text([flat(row) for row in rows]))
    else:
        draw(_console())


def print_json(document: Mapping[str, Any]) -> None:
    """Print a document, and nothing else, to standard output."""
    from simulator.files.jsontext import json_text

    sys.stdout.write(json_text(document) + "\n")


def _console() -> "Console":
    from rich.console import Console

    return Console(highlight=False)
