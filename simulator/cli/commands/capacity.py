"""``breakeven capacity``: how much traffic a fleet of a given size carries."""

from typing import Annotated

import typer

from simulator.cli.common import (
    NoCacheOption,
    OldNoCacheOption,
    Output,
    OutputOption,
    ScenarioArgument,
    SeedOption,
    SetOption,
    WholeOption,
    show_result,
)
from simulator.cli.progress import progress


def capacity(
    scenario: ScenarioArgument,
    replicas: Annotated[
        list[int] | None,
        typer.Option(
            "--replicas", "-n", min=1, help="Number of replicas, 1 by default; repeatable."
        ),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option("--option", metavar="NAME", help="Examine only this self-hosted option."),
    ] = None,
    precision: Annotated[
        float, typer.Option(min=0.001, max=0.5, help="Relative width of the resulting interval.")
    ] = 0.02,
    settings: SetOption = None,
    seed: SeedOption = None,
    output: OutputOption = Output.TABLE,
    whole: WholeOption = False,
    no_cache: NoCacheOption = False,
    anew: OldNoCacheOption = False,
) -> None:
    """Find the most traffic that fleets carry within latency targets."""
    from simulator.library.scenarios import load_scenario
    from simulator.library.simulations import find_capacity

    loaded = load_scenario(scenario, overrides=settings or (), seed=seed)
    with progress("fleets") as tell:
        result = find_capacity(
            loaded,
            replicas or (1,),
            option=only,
            precision=precision,
            whole=whole,
            no_cache=no_cache or anew,
            tell=tell,
        )
    show_result(output, result)
