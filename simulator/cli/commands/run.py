"""``breakeven run`` and ``breakeven simulate``: the verdict, and options as written."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulator.callbacks import Tell
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
from simulator.units import HOUR_S

if TYPE_CHECKING:
    from simulator.analysis.sampling.sample import Sample
    from simulator.analysis.simulate.longrun import Watch
    from simulator.analysis.study.study import Study
    from simulator.engine.ledger import Ledger


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
    from simulator.library.calls import find_break_even
    from simulator.library.workers import Watched, threads
    from simulator.report.terminal.verdict import print_verdict
    from simulator.scenario.building.study import load
    from simulator.scenario.resolve.quantities import in_unit

    if (axis is None) != (ends is None):
        raise typer.BadParameter("--axis and --between require each other", param_hint="--axis")
    loaded = load(scenario, settings, seed)
    with threads(jobs) as executor, progress("simulations") as tell:
        watched = Watched(executor, tell)
        result = find_break_even(
            loaded,
            axis,
            ends,
            fast=fast,
            effort=effort,
            within_s=None if within is None else float(in_unit(("within_s",), within)),
            whole=whole,
            views=out is not None,
            executor=watched,
        )
    # Print the answer first: it is useful even if the files cannot be written.
    show_result(output, result.document, result.rows, partial(print_verdict, result.document))
    if out is not None:
        result.save(out)
        if not is_installed("pyarrow"):
            sys.stderr.write(
                "breakeven: ledger.parquet is not written: it needs breakeven[parquet]\n"
            )


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
    from simulator.analysis.commands.replications import simulate_until
    from simulator.analysis.decide.verdict import simulate_as_written
    from simulator.analysis.simulate.longrun import Keep
    from simulator.analysis.study.effort import whole_horizon
    from simulator.report.documents.document import replications_document, simulation_document
    from simulator.report.documents.ledger import ledger_writer
    from simulator.report.documents.tidy import option_rows
    from simulator.report.terminal.verdict import print_simulation
    from simulator.scenario.building.study import load
    from simulator.scenario.resolve.load import fingerprint

    loaded = load(scenario, settings, seed)
    # Ledgers and stored states always cover the whole horizon.
    unsampled = whole or ledger is not None or keep is not None
    study = whole_horizon(loaded.study) if unsampled else loaded.study
    if precision is not None:
        if keep is not None or ledger is not None:
            raise typer.BadParameter(
                "cannot be combined with --keep or --ledger", param_hint="--precision"
            )
        with progress("replications") as tell:
            replications = simulate_until(study, precision, most, tell)
        document = replications_document(replications, study)
    else:
        content = fingerprint(loaded.scenario, loaded.document, study.provenance)
        kept = None if keep is None else Keep(keep, content)
        write = None if ledger is None else ledger_writer(ledger, study, content)
        with progress("simulated hours") as tell:
            results = simulate_as_written(study, kept, _progress_watch(study, tell, write))
        document = simulation_document(results, study)
    show_result(output, document, option_rows(document), partial(print_simulation, document))


def _progress_watch(study: "Study", tell: Tell, write: "Watch | None") -> "Watch":
    """Return a callback that reports simulated hours, and passes ledger pieces to ``write``."""
    indices = {option.name: index for index, option in enumerate(study.options)}
    hours = study.traffic.horizon_s / HOUR_S

    def watch(option: str, number: int, sample: "Sample", piece: "Ledger") -> None:
        if write is not None:
            write(option, number, sample, piece)
        simulated = float(piece.arrival_s[piece.offered].max(initial=0.0)) / HOUR_S
        earlier = indices.get(option, 0) * hours
        tell(round(earlier + min(simulated, hours)), round(len(indices) * hours))

    return watch
