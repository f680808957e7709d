"""``breakeven hardware`` and ``breakeven models``: the shipped profiles."""

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from simulator.cli.common import Output, OutputOption, show_result

if TYPE_CHECKING:
    from rich.console import Console

hardware = typer.Typer(
    help="List and show the accelerators that scenarios can use.", no_args_is_help=True
)
models = typer.Typer(help="List and show the models that scenarios can use.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of a profile.")]


@hardware.command("list")
def list_hardware(output: OutputOption = Output.TABLE) -> None:
    """List accelerators with memory, peak rates and rent."""
    _show_list(("accelerators", "appliances"), output)


@hardware.command("show")
def show_hardware(name: NameArgument, output: OutputOption = Output.TABLE) -> None:
    """Show all figures of an accelerator, with their source."""
    from simulator.scenario.catalog.profiles import profile_names

    _show_one("appliances" if name in profile_names("appliances") else "accelerators", name, output)


@models.command("list")
def list_models(output: OutputOption = Output.TABLE) -> None:
    """List models with size, context window and KV heads."""
    _show_list(("models",), output)


@models.command("show")
def show_model(name: NameArgument, output: OutputOption = Output.TABLE) -> None:
    """Show the architecture of a model, with its source."""
    _show_one("models", name, output)


def _show_list(kinds: tuple[str, ...], output: Output) -> None:
    from simulator.report.terminal.profiles import print_profiles
    from simulator.scenario.catalog.profiles import profile_document, profile_names

    found = {k: {name: profile_document(k, name) for name in profile_names(k)} for k in kinds}
    rows = [
        {"kind": kind, "name": name, **profile}
        for kind, profiles in found.items()
        for name, profile in profiles.items()
    ]

    def draw(console: "Console") -> None:
        for kind, profiles in found.items():
            print_profiles(kind, profiles, console)

    show_result(output, found, rows, draw)


def _show_one(kind: str, name: str, output: Output) -> None:
    from simulator.report.terminal.profiles import print_profile
    from simulator.scenario.catalog.profiles import profile_document

    found = profile_document(kind, name)
    show_result(output, found, [{"name": name, **found}], partial(print_profile, name, found))
