"""``breakeven hardware`` and ``breakeven models``: the shipped profiles."""

from typing import Annotated

import typer

from simulator.cli.common import Output, OutputOption, completion, show_result

hardware = typer.Typer(
    help="List and show the accelerators that scenarios can use.", no_args_is_help=True
)
models = typer.Typer(help="List and show the models that scenarios can use.", no_args_is_help=True)

AcceleratorArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="Name of a profile.", autocompletion=completion("accelerator_names")
    ),
]
ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="Name of a profile.", autocompletion=completion("model_names")
    ),
]


@hardware.command("list")
def list_hardware(output: OutputOption = Output.TABLE) -> None:
    """List accelerators with memory, peak rates and rent."""
    from simulator.library.profiles import list_accelerators

    show_result(output, list_accelerators())


@hardware.command("show")
def show_hardware(name: AcceleratorArgument, output: OutputOption = Output.TABLE) -> None:
    """Show all figures of an accelerator, with their source."""
    from simulator.library.profiles import show_accelerator

    show_result(output, show_accelerator(name))


@models.command("list")
def list_models(output: OutputOption = Output.TABLE) -> None:
    """List models with size, context window and KV heads."""
    from simulator.library import profiles

    show_result(output, profiles.list_models())


@models.command("show")
def show_model(name: ModelArgument, output: OutputOption = Output.TABLE) -> None:
    """Show the architecture of a model, with its source."""
    from simulator.library import profiles

    show_result(output, profiles.show_model(name))
