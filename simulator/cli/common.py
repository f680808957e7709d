"""Arguments and options that several commands share, and the way their results are printed."""

import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from simulator.library.results import Result


class Output(StrEnum):
    """Formats of the result on standard output."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def completion(names: str) -> Callable[[str], list[str]]:
    """Return the completion of an argument by a function of ``library.names``."""

    def complete(incomplete: str) -> list[str]:
        from simulator.library import names as library_names

        return [name for name in getattr(library_names, names)() if name.startswith(incomplete)]

    return complete


ScenarioArgument = Annotated[
    str,
    typer.Argument(
        metavar="SCENARIO",
        help="Scenario file (YAML), or the name of a shipped scenario.",
        autocompletion=completion("scenario_names"),
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
NoCacheOption = Annotated[
    bool, typer.Option("--no-cache", help="Do not use cached results, nor store new ones.")
]
OldNoCacheOption = Annotated[bool, typer.Option("--anew", hidden=True)]
"""Earlier name of ``--no-cache``."""


def show_result(output: Output, result: "Result", out: Path | None = None) -> None:
    """Print a result in the requested format, and nothing else, to standard output.

    Parameters
    ----------
    output : Output
        The requested format.
    result : Result
        The result: its document for JSON, its rows for CSV, and its text for tables. Its notes are
        printed to standard error.
    out : Path, optional
        Folder for the files of the result. They are written after the answer is printed, which is
        useful even if they cannot be written.
    """
    if output is Output.JSON:
        sys.stdout.write(result.to_json())
    elif output is Output.CSV:
        sys.stdout.write(result.to_csv())
    elif result.printer is not None:
        result.printer(_console())
    if out is not None:
        result.save(out)
    print_notes(result)


def print_notes(result: "Result") -> None:
    """Print the notes of a result to standard error."""
    for note in result.notes:
        sys.stderr.write(f"{note}\n")


def _console() -> "Console":
    from rich.console import Console

    return Console(highlight=False, emoji=False)
