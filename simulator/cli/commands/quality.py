"""``breakeven quality``: the cost of a correct answer, for models, cascades and agent runs."""

from enum import StrEnum
from functools import partial
from typing import Annotated

import typer

from simulator.cli.common import Output, OutputOption
from simulator.cli.common import show_result as show_result

app = typer.Typer(
    help="Compute the cost of a correct answer.",
    no_args_is_help=True,
)

ResultsArgument = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="Runs (CSV, JSON lines), a leaderboard (YAML, CSV), or the shipped `aider`.",
    ),
]


class Repeated(StrEnum):
    """Unit that is repeated when a step fails."""

    STEP = "step"
    RUN = "run"


@app.command()
def show(results: ResultsArgument = "aider", output: OutputOption = Output.TABLE) -> None:
    """List models by their cost per correct answer."""
    from simulator.report.terminal.quality import print_results, results_document
    from simulator.scenario.tables.leaderboard import read_results

    document = results_document(read_results(results), results)
    show_result(output, document, document["models"], partial(print_results, document))


@app.command()
def compare(
    results: ResultsArgument,
    a: Annotated[
        str, typer.Argument(metavar="A", help="Model, by its name or a unique part of it.")
    ],
    b: Annotated[str, typer.Argument(metavar="B", help="Model to compare it with.")],
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Seed of the random numbers; default: 0.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Compare two models on the same tasks, and cascades of the two."""
    from simulator.analysis.quality.quality import compare as compared
    from simulator.report.terminal.quality import comparison_document, print_comparison
    from simulator.scenario.tables.leaderboard import find_model, read_results

    loaded = read_results(results)
    first, second = find_model(a, loaded.models), find_model(b, loaded.models)
    document = comparison_document(compared(loaded, first, second, seed or 0))
    show_result(output, document, [document], partial(print_comparison, document))


@app.command()
def chain(
    steps: Annotated[int, typer.Option(min=1, help="Steps of a run without failures.")],
    step_success: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Probability that a step succeeds.")
    ],
    restart: Annotated[
        Repeated, typer.Option(help="What is repeated when a step fails.")
    ] = Repeated.STEP,
    attempts: Annotated[
        int | None,
        typer.Option(min=1, help="Most attempts of each step, or of the run."),
    ] = None,
    correlation: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, help="Correlation of difficulty between attempts of a task."
        ),
    ] = 0.0,
    step_usd: Annotated[
        float | None, typer.Option(min=0.0, metavar="USD", help="Mean cost of a step.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Compute what retries and failed runs add to a correct agent run."""
    from simulator.analysis.quality.agents import AgentChain, Restart, expected_run
    from simulator.report.terminal.quality import chain_document, print_chain

    agent = AgentChain(steps, step_success, Restart(restart), attempts, correlation)
    document = chain_document(agent, expected_run(agent), step_usd)
    show_result(output, document, [document], partial(print_chain, document))
