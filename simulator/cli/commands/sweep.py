"""``breakeven sweep``: many variations of a scenario in one table, resumable."""

from pathlib import Path
from typing import Annotated

import typer

from simulator.cli.common import (
    JobsOption,
    NoCacheOption,
    OldNoCacheOption,
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
    no_cache: NoCacheOption = False,
    anew: OldNoCacheOption = False,
) -> None:
    """Evaluate many variations of a scenario in one table.

    The section `sweep` of the scenario lists them. Results are cached by point,
    so that an interrupted sweep resumes where it stopped.
    """
    from simulator.library import sweep as library

    with progress("points") as tell:
        result = library.sweep(
            scenario,
            jobs=jobs,
            dask=dask,
            no_cache=no_cache or anew,
            overrides=settings or (),
            seed=seed,
            tell=tell,
        )
    show_result(output, result, out)
