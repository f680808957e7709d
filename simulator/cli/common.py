"""Arguments and options that several commands share, and the printing of results."""

import sys
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console


class Output(StrEnum):
    """Formats of the result on standard output."""

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
        help="Scenario file (YAML), or the name of a shipped scenario.",
        autocompletion=_scenario_names,
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE|NAME",
        help="Change one value, or apply one of the scenario's overrides; repeatable.",
    ),
]
SeedOption = Annotated[
    int | None, typer.Option("--seed", min=0, help="Use this seed instead of the scenario's.")
]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="Format of the result.")]
WholeOption = Annotated[
    bool,
    typer.Option("--whole", help="Simulate the whole horizon instead of a sample; may take long."),
]
JobsOption = Annotated[
    int,
    typer.Option("--jobs", "-j", min=0, help="Number of parallel workers; 0: one per core."),
]


def show_result(
    output: Output,
    document: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    draw: Callable[["Console"], None],
) -> None:
    """Print a result in the requested format, and nothing else, to standard output.

    Parameters
    ----------
    output : Output
        The requested format.
    document : mapping
        The whole result, for JSON.
    rows : sequence of mappings
        The result as a table, for CSV; nested values are flattened.
    draw : callable
        Function that prints the result as tables and text.
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
