"""``breakeven sweep``: many variations of a scenario in one table, resumable."""

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
    show_result,
)
from simulator.cli.progress import progress


def sweep(
    scenario: ScenarioArgument,
    settings: SetOption = None,
    seed: SeedOption = None,
    output: OutputOption = Output.TABLE,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Also write sweep.csv, .json and .parquet to this folder."
        ),
    ] = None,
    jobs: JobsOption = 0,
    dask: Annotated[
        str | None,
        typer.Option(
            "--dask", metavar="ADDRESS", help="Run on the workers of this Dask scheduler."
        ),
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Do not use cached results, nor store new ones.")
    ] = False,
    anew: Annotated[bool, typer.Option("--anew", hidden=True)] = False,
) -> None:
    """Evaluate many variations of a scenario in one table.

    The section `sweep` of the scenario lists them. Results are cached by point, so that an
    interrupted sweep resumes where it stopped.
    """
    from simulator.analysis.commands.result_cache import cache_dir
    from simulator.library.results import SweepResult
    from simulator.library.sweep import run_sweep
    from simulator.report.terminal.sweep import print_sweep
    from simulator.scenario.resolve.load import read_document

    document = read_document(scenario, settings, seed)
    with progress("points") as tell:
        points = run_sweep(document, jobs, dask, None if no_cache or anew else cache_dir(), tell)
    result = SweepResult.of(points)
    show_result(output, result.document, result.rows, partial(print_sweep, result.document))
    if out is not None:
        result.save(out)
