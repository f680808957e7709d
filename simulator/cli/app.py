"""The command tree of ``breakeven``, and its small commands."""

from typing import Annotated

import typer

from simulator.cli.commands import (
    bench,
    capacity,
    explain,
    new,
    price_feeds,
    prices,
    profiles,
    quality,
    run,
    sweep,
    traffic,
)
from simulator.cli.common import (
    Output,
    OutputOption,
    ScenarioArgument,
    SetOption,
    show_result,
)

app = typer.Typer(
    help="Compare LLM APIs with self-hosting by simulation, and find the break-even.",
    epilog="Exit codes: 0 success; 1 internal error; 2 wrong usage; 3 invalid scenario, profile, "
    "price or log; 4 no option meets the latency targets; 130 interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
)


app.add_typer(profiles.hardware, name="hardware")
app.add_typer(profiles.models, name="models")
prices.app.command("import")(price_feeds.import_prices)
prices.app.command("diff")(price_feeds.diff)
prices.app.command("check")(price_feeds.check)
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
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Compare LLM APIs with self-hosting by simulation, and find the break-even."""


@app.command()
def validate(
    scenario: ScenarioArgument,
    settings: SetOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Check a scenario and all files and names that it refers to."""
    from simulator.library.scenarios import validate_scenario

    show_result(output, validate_scenario(scenario, overrides=settings or ()))


@app.command()
def schema() -> None:
    """Print the JSON schema of scenario files, for editors."""
    from simulator.library.scenarios import scenario_schema

    show_result(Output.JSON, scenario_schema())
