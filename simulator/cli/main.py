"""The command ``breakeven``: options in, one document or one screen out, an exit code."""

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from simulator.cli import bench, capacity, explain, prices, profiles, quality, traffic
from simulator.cli.common import (
    Output,
    OutputOption,
    ScenarioArgument,
    SeedOption,
    SetOption,
    console,
    json_text,
    print_json,
)
from simulator.errors import InfeasibleError, SimulatorError

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from simulator.analysis.study import Study
    from simulator.analysis.verdict import Verdict

app = typer.Typer(
    help="Buy LLM tokens or run the model yourself: simulate both, find the break-even.",
    epilog="Exit codes: 0 fine, 1 internal error, 2 usage, 3 invalid scenario, profile, price or "
    "trace, 4 nothing meets the latency targets, 130 interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
)


app.add_typer(profiles.hardware, name="hardware")
app.add_typer(profiles.models, name="models")
app.add_typer(prices.app, name="prices")
app.add_typer(quality.app, name="quality")
app.add_typer(traffic.app, name="traffic")
app.command("capacity")(capacity.capacity)
app.command("explain")(explain.explain)
app.command("bench")(bench.bench)
app.command("calibrate")(bench.calibrate)

JobsOption = Annotated[
    int, typer.Option("--jobs", "-j", min=0, help="Processes; 0: one for each core.")
]


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"breakeven {version('breakeven')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Buy LLM tokens or run the model yourself: simulate both, find the break-even."""


@app.command()
def run(
    scenario: ScenarioArgument,
    settings: SetOption = None,
    seed: SeedOption = None,
    output: OutputOption = Output.TABLE,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Also write report.html and result.json here."),
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
        bool, typer.Option("--fast", help="A rough answer: fewer windows, volumes and worlds.")
    ] = False,
) -> None:
    """Give the verdict: options at their best size, break-even, split, drivers, flips."""
    from simulator.analysis.haste import hastened, hastened_axis
    from simulator.analysis.verdict import decide
    from simulator.report.document import verdict_document
    from simulator.scenario.build import Variations, load
    from simulator.scenario.load import resolved_yaml

    loaded = load(scenario, settings, seed)
    if (axis is None) != (ends is None):
        raise typer.BadParameter("--axis and --between go together", param_hint="--axis")
    along = None
    if axis is not None and ends is not None:
        from simulator.scenario.axis import Along, scenario_axis

        studies = Along(Variations(scenario, tuple(settings or ()), seed), axis)
        along = scenario_axis(loaded.scenario, studies, *ends)
    study = loaded.study
    if fast:
        study, along = hastened(study), along and hastened_axis(along)
    with _workers(jobs) as executor:
        verdict = decide(study, executor, along)
    document = verdict_document(verdict)
    if out is not None:
        from simulator.report.html import render_report
        from simulator.report.write import write_files

        files = {
            "report.html": render_report(document),
            "result.json": json_text(document) + "\n",
            "scenario.resolved.yaml": resolved_yaml(loaded.scenario, loaded.document),
        }
        write_files(out, files)
        _write_ledger(out, verdict)
    if output is Output.JSON:
        print_json(document)
    else:
        from simulator.report.terminal import print_verdict

        print_verdict(document, console())


@app.command()
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
) -> None:
    """Simulate the options exactly as written, with no search."""
    from simulator.analysis.longrun import Keep
    from simulator.analysis.replications import simulate_until
    from simulator.analysis.verdict import simulate_as_written
    from simulator.report.document import replications_document, simulation_document
    from simulator.report.ledger import ledger_writer
    from simulator.scenario.build import load
    from simulator.scenario.load import fingerprint

    loaded = load(scenario, settings, seed)
    study = loaded.study
    if precision is not None:
        if keep is not None or ledger is not None:
            raise typer.BadParameter(
                "goes with neither --keep nor --ledger", param_hint="--precision"
            )
        document = replications_document(simulate_until(study, precision, most), study)
    else:
        kept = (
            None
            if keep is None
            else Keep(keep, fingerprint(loaded.scenario, loaded.document, study.provenance))
        )
        watch = None if ledger is None else ledger_writer(ledger)
        document = simulation_document(simulate_as_written(study, kept, watch), study)
    if output is Output.JSON:
        print_json(document)
    else:
        from simulator.report.terminal import print_simulation

        print_simulation(document, console())


@app.command()
def validate(scenario: ScenarioArgument, settings: SetOption = None) -> None:
    """Check a scenario and everything that it names."""
    study = _study(scenario, settings, None)
    typer.echo(f"{study.name}: valid, {len(study.options)} options")


@app.command()
def schema() -> None:
    """Print the JSON schema of scenario files."""
    from simulator.scenario.load import json_schema

    print_json(json_schema())


def _study(scenario: str, settings: list[str] | None, seed: int | None) -> "Study":
    from simulator.scenario.build import load_study

    return load_study(scenario, settings, seed)


def _workers(jobs: int) -> "Executor":
    """Return an executor; one worker runs in this process."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

    count = jobs or os.cpu_count() or 1
    if count == 1:
        return ThreadPoolExecutor(1)
    workers = ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"))
    # They load what they need while this process does what comes before their first task.
    for _ in range(count):
        workers.submit(_load)
    return workers


def _load() -> None:
    """Import all that the tasks of a worker use."""
    import simulator.analysis.verdict  # noqa: F401


def _write_ledger(out: Path, verdict: "Verdict") -> None:
    """Write what the winner did with every simulated request, where Parquet can be written."""
    from importlib.util import find_spec

    if find_spec("pyarrow") is None:
        sys.stderr.write("breakeven: no ledger.parquet without pyarrow: breakeven[parquet]\n")
        return
    from simulator.report.ledger import write_ledger

    partial = out / ".ledger.parquet.partial"
    write_ledger(verdict, partial)
    partial.replace(out / "ledger.parquet")


def _fail(message: str, code: int) -> NoReturn:
    sys.stderr.write(f"breakeven: {message}\n")
    sys.exit(code)


def main() -> None:
    """Run the command line; every expected failure is one line and its exit code."""
    # Next to nothing here dies in circles. At its usual pace the collector goes through millions of
    # live rows again and again, which took half the time of reading a log.
    gc.set_threshold(200_000, 50, 100)
    # Compiles in half the time and runs as fast: the data plane follows links and has no loops that
    # a better optimiser could make more of. Only here: a library must not decide this for others.
    os.environ.setdefault("NUMBA_OPT", "1")
    try:
        app()
    except InfeasibleError as error:
        reasons = "".join(f"\n  {name}: {reason}" for name, reason in error.excuses.items())
        _fail(f"{error}{reasons}", error.exit_code)
    except SimulatorError as error:
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        _fail("interrupted", 130)
