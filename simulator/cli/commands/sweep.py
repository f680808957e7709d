"""``breakeven sweep``: many variations of a scenario as one table, resumable."""

from functools import partial
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
    show,
)
from simulator.cli.progress import progress


def sweep(
    scenario: ScenarioArgument,
    settings: SetOption = None,
    seed: SeedOption = None,
    output: OutputOption = Output.TABLE,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Also write sweep.csv, .json and .parquet here."),
    ] = None,
    jobs: JobsOption = 0,
    dask: Annotated[
        str | None,
        typer.Option("--dask", metavar="ADDRESS", help="Use the workers of this Dask scheduler."),
    ] = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="Neither read nor keep what is found at single points.")
    ] = False,
) -> None:
    """Try all points of the scenario's section `sweep`; what was found before is not asked again.

    Answers are kept in the user's cache folder, so that a sweep that was stopped goes on.
    """
    from simulator.analysis.commands.result_cache import cache_dir
    from simulator.library.results import SweepResult
    from simulator.library.sweep import swept
    from simulator.report.terminal.sweep import print_sweep
    from simulator.scenario.resolve.load import read_document

    document = read_document(scenario, settings, seed)
    with progress("points") as tell:
        points = swept(document, jobs, dask, None if anew else cache_dir(), tell)
    found = SweepResult.of(points)
    show(output, found.document, found.rows, partial(print_sweep, found.document))
    if out is not None:
        found.save(out)
