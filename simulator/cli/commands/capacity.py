"""``breakeven capacity``: how much traffic a fleet of a given size carries."""

from typing import TYPE_CHECKING, Annotated

import typer

from simulator.cli.common import (
    Output,
    OutputOption,
    ScenarioArgument,
    SeedOption,
    SetOption,
    WholeOption,
    show_result,
)
from simulator.cli.progress import progress

if TYPE_CHECKING:
    from simulator.analysis.commands.capacity import Capacity


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
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Do not use cached results, nor store new ones.")
    ] = False,
    anew: Annotated[bool, typer.Option("--anew", hidden=True)] = False,
) -> None:
    """Find the most traffic that fleets carry within latency targets."""
    import tempfile
    from functools import partial
    from pathlib import Path

    from simulator.analysis.commands.result_cache import cache_dir, cached_capacity
    from simulator.analysis.study.effort import whole_horizon
    from simulator.report.terminal.capacity import capacity_document, print_capacities
    from simulator.scenario.building.deployed import self_hosted_options
    from simulator.scenario.building.study import load_study

    study = load_study(scenario, settings, seed)
    study = whole_horizon(study) if whole else study
    options = self_hosted_options(study, only)
    fleets = [(option, count) for option in options for count in sorted(set(replicas or [1]))]
    capacities: list[Capacity] = []
    with tempfile.TemporaryDirectory() as unused, progress("fleets") as tell:
        folder = Path(unused) if no_cache or anew else cache_dir()
        for option, count in fleets:
            tell(len(capacities), len(fleets))
            capacities.append(cached_capacity(study, option, count, precision, folder))
    document = capacity_document(capacities, study)
    show_result(output, document, document["capacities"], partial(print_capacities, document))
