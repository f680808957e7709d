"""The command ``breakeven``: options in, one document or one screen out, an exit code."""

import gc
import os
import sys
from typing import Annotated, NoReturn

import typer

from simulator.cli import (
    bench,
    capacity,
    explain,
    new,
    prices,
    profiles,
    quality,
    run,
    sweep,
    traffic,
)
from simulator.cli.common import ScenarioArgument, SetOption, print_json
from simulator.errors import InfeasibleError, SimulatorError

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
app.command("run")(run.run)
app.command("simulate")(run.simulate)
app.command("sweep")(sweep.sweep)
app.command("new")(new.new)
app.command("report")(new.report)
app.command("capacity")(capacity.capacity)
app.command("explain")(explain.explain)
app.command("bench")(bench.bench)
app.command("calibrate")(bench.calibrate)


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
def validate(scenario: ScenarioArgument, settings: SetOption = None) -> None:
    """Check a scenario and everything that it names."""
    from simulator.scenario.build import load, loaded
    from simulator.scenario.load import overridden
    from simulator.scenario.sweeping import read_sweep, sweep_points

    found = load(scenario, settings)
    said = [f"{len(found.study.options)} options"]
    document = found.variations.document
    for name in found.scenario.overrides:
        loaded(overridden(document, name))
    if found.scenario.overrides:
        count = len(found.scenario.overrides)
        said.append(f"{count} override{'s' if count > 1 else ''}")
    if found.scenario.sweep is not None:
        said.append(f"a sweep of {len(sweep_points(document, read_sweep(document)))} points")
    typer.echo(f"{found.study.name}: valid, {', '.join(said)}")


@app.command()
def schema() -> None:
    """Print the JSON schema of scenario files."""
    from simulator.scenario.json_schema import json_schema

    print_json(json_schema())


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
