"""``breakeven run`` and ``breakeven simulate``: the verdict, and options as written."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from simulator.cli.common import (
    JobsOption,
    Output,
    OutputOption,
    ScenarioArgument,
    SeedOption,
    SetOption,
    WholeOption,
    show_result,
)
from simulator.cli.progress import progress
from simulator.files.optional import is_installed


def run(
    scenario: ScenarioArgument,
    settings: SetOption = None,
    seed: SeedOption = None,
    output: OutputOption = Output.TABLE,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Also write report, result, tables and plots to this folder.",
        ),
    ] = None,
    jobs: JobsOption = 0,
    axis: Annotated[
        str | None,
        typer.Option(
            metavar="PATH", help="Search the break-even along this number instead of the volume."
        ),
    ] = None,
    ends: Annotated[
        tuple[float, float] | None,
        typer.Option("--between", metavar="LOW HIGH", help="Range of --axis."),
    ] = None,
    fast: Annotated[
        bool,
        typer.Option("--fast", help="Give a rough answer, with fewer requests, volumes and draws."),
    ] = False,
    effort: Annotated[
        int | None,
        typer.Option(min=1, max=5, help="Level of effort, 1 to 5; --fast is 3, the default is 5."),
    ] = None,
    within: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Answer with as much effort as this time allows, such as 10s."
        ),
    ] = None,
    whole: WholeOption = False,
) -> None:
    """Find the cheapest option, the break-even, and what changes them."""
    from simulator.library.decisions import find_break_even
    from simulator.library.parallel.workers import Watched, threads
    from simulator.library.scenarios import load_scenario

    if (axis is None) != (ends is None):
        raise typer.BadParameter("--axis and --between require each other", param_hint="--axis")
    loaded = load_scenario(scenario, overrides=settings or (), seed=seed)
    with threads(jobs) as executor, progress("simulations") as tell:
        result = find_break_even(
            loaded,
            axis,
            ends,
            fast=fast,
            effort=effort,
            within_s=within,
            whole=whole,
            views=out is not None,
            executor=Watched(executor, tell),
        )
    show_result(output, result, out)
    if out is not None and not is_installed("pyarrow"):
        sys.stderr.write("breakeven: ledger.parquet is not written: it needs breakeven[parquet]\n")


def simulate(
    scenario: ScenarioArgument,
    settings: SetOption = None,
    seed: SeedOption = None,
    output: OutputOption = Output.TABLE,
    ledger: Annotated[
        Path | None,
        typer.Option(
            "--ledger",
            metavar="DIR",
            file_okay=False,
            help="Also write one Parquet row per request to this folder.",
        ),
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(
            "--keep",
            metavar="DIR",
            file_okay=False,
            help="Store the state in this folder, and resume from it.",
        ),
    ] = None,
    precision: Annotated[
        float | None,
        typer.Option(
            min=1e-6,
            max=1,
            help="Repeat with other seeds until costs are known to this share.",
        ),
    ] = None,
    most: Annotated[int, typer.Option(min=2, help="Most replications for --precision.")] = 64,
    whole: WholeOption = False,
) -> None:
    """Simulate options exactly as written, without searching sizes."""
    from simulator.library import simulations
    from simulator.library.scenarios import load_scenario

    if precision is not None and not (keep is None and ledger is None):
        raise typer.BadParameter(
            "cannot be combined with --keep or --ledger", param_hint="--precision"
        )
    loaded = load_scenario(scenario, overrides=settings or (), seed=seed)
    if precision is not None:
        with progress("replications") as tell:
            result = simulations.simulate_to_precision(
                loaded, precision, most=most, whole=whole, tell=tell
            )
    else:
        with progress("simulated hours") as tell:
            result = simulations.simulate(loaded, whole=whole, ledger=ledger, keep=keep, tell=tell)
    show_result(output, result)
