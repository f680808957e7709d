"""``breakeven run`` and ``breakeven simulate``: the verdict, and options as they are."""

import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulator.cli.common import (
    JobsOption,
    Output,
    OutputOption,
    ScenarioArgument,
    SeedOption,
    SetOption,
    WholeOption,
    show,
)
from simulator.cli.progress import Tell, progress

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
            "--out", metavar="DIR", help="Also write report, result, tables and plots here."
        ),
    ] = None,
    jobs: JobsOption = 0,
    axis: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Look for the break-even along this number."),
    ] = None,
    ends: Annotated[
        tuple[float, float] | None,
        typer.Option("--between", metavar="LOW HIGH", help="Ends of the axis."),
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="A rough answer: fewer requests, volumes and worlds.")
    ] = False,
    effort: Annotated[
        int | None, typer.Option(min=1, max=5, help="From 1 to 5; --fast is 3, the default 5.")
    ] = None,
    within: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Answer with as much effort as this time allows: 10s."),
    ] = None,
    whole: WholeOption = False,
) -> None:
    """Give the verdict: options at their best size, break-even, split, drivers, flips."""
    from simulator.library.calls import find_break_even
    from simulator.library.workers import Watched, threads
    from simulator.report.terminal.verdict import print_verdict
    from simulator.scenario.building.study import load
    from simulator.scenario.resolve.quantities import in_unit

    if (axis is None) != (ends is None):
        raise typer.BadParameter("--axis and --between go together", param_hint="--axis")
    loaded = load(scenario, settings, seed)
    with threads(jobs) as executor, progress("simulations") as tell:
        watched = Watched(executor, tell)
        found = find_break_even(
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
    # The answer first: it is worth reading even where the files cannot be written.
    show(output, found.document, found.rows, partial(print_verdict, found.document))
    if out is not None:
        found.save(out)
        if find_spec("pyarrow") is None:
            sys.stderr.write("breakeven: no ledger.parquet without pyarrow: breakeven[parquet]\n")


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
            help="Also write a Parquet row per request here.",
        ),
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(
            "--keep",
            metavar="DIR",
            file_okay=False,
            help="Keep the state here; go on from it if it is.",
        ),
    ] = None,
    precision: Annotated[
        float | None,
        typer.Option(
            min=1e-6,
            max=1,
            help="Repeat under other seeds until every cost is known to this share.",
        ),
    ] = None,
    most: Annotated[int, typer.Option(min=2, help="Replications after which to give up.")] = 64,
    whole: WholeOption = False,
) -> None:
    """Simulate the options exactly as written, with no search."""
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
    # Rows that are written or kept are those of the whole horizon.
    all_of_it = whole or ledger is not None or keep is not None
    study = whole_horizon(loaded.study) if all_of_it else loaded.study
    if precision is not None:
        if keep is not None or ledger is not None:
            raise typer.BadParameter(
                "goes with neither --keep nor --ledger", param_hint="--precision"
            )
        with progress("replications") as tell:
            found = simulate_until(study, precision, most, tell)
        document = replications_document(found, study)
    else:
        content = fingerprint(loaded.scenario, loaded.document, study.provenance)
        kept = None if keep is None else Keep(keep, content)
        write = None if ledger is None else ledger_writer(ledger, study, content)
        with progress("simulated hours") as tell:
            results = simulate_as_written(study, kept, _watched(study, tell, write))
        document = simulation_document(results, study)
    show(output, document, option_rows(document), partial(print_simulation, document))


def _watched(study: "Study", tell: Tell, write: "Watch | None") -> "Watch":
    """Tell how far the options' simulations are, and pass their pieces on."""
    places = {option.name: place for place, option in enumerate(study.options)}
    hours = study.traffic.horizon_s / 3600

    def watch(option: str, number: int, sample: "Sample", piece: "Ledger") -> None:
        if write is not None:
            write(option, number, sample, piece)
        behind = float(piece.arrival_s[piece.offered].max(initial=0.0)) / 3600
        before = places.get(option, 0) * hours
        tell(round(before + min(behind, hours)), round(len(places) * hours))

    return watch
