"""``breakeven quality``: what a correct answer costs, by model, cascade and chain of steps."""

from enum import StrEnum
from functools import partial
from typing import Annotated

import typer

from simulator.cli.common import Output, OutputOption, SeedOption
from simulator.cli.common import show as show_result

app = typer.Typer(
    help="What a correct answer costs: models, cascades, chains of agent steps.",
    no_args_is_help=True,
)

ResultsArgument = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="Runs (CSV, JSON lines), a leaderboard (YAML, CSV), or aider: the shipped one.",
    ),
]


class Again(StrEnum):
    """What is tried again when a step fails."""

    STEP = "step"
    RUN = "run"


@app.command()
def show(results: ResultsArgument = "aider", output: OutputOption = Output.TABLE) -> None:
    """List models by what a correct answer costs."""
    from simulator.report.terminal.quality import print_results, results_document
    from simulator.scenario.tables.leaderboard import read_results

    document = results_document(read_results(results), results)
    show_result(output, document, document["models"], partial(print_results, document))


@app.command()
def compare(
    results: ResultsArgument,
    a: Annotated[str, typer.Argument(metavar="A", help="Model, by as much of its name as tells.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Model to compare it with.")],
    seed: SeedOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Compare two models on the same tasks, and what a cascade of them gives."""
    from simulator.analysis.quality.quality import compare as compared
    from simulator.report.terminal.quality import comparison_document, print_comparison
    from simulator.scenario.tables.leaderboard import known_model, read_results

    found = read_results(results)
    first, second = known_model(a, found.models), known_model(b, found.models)
    document = comparison_document(compared(found, first, second, seed or 0))
    show_result(output, document, [document], partial(print_comparison, document))


@app.command()
def chain(
    steps: Annotated[int, typer.Option(min=1, help="Steps of a run without failure.")],
    step_success: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Probability that a step succeeds.")
    ],
    restart: Annotated[
        Again, typer.Option(help="What is tried again when a step fails.")
    ] = Again.STEP,
    attempts: Annotated[
        int | None,
        typer.Option(min=1, help="At most so many tries of each step, or of the run."),
    ] = None,
    correlation: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Difficulty that tries of a task have in common."),
    ] = 0.0,
    step_usd: Annotated[
        float | None, typer.Option(min=0.0, metavar="USD", help="Mean cost of a step.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """How much retries and failed runs add to a correct run of agent steps."""
    from simulator.analysis.quality.agents import AgentChain, Restart, expected_run
    from simulator.report.terminal.quality import chain_document, print_chain

    asked = AgentChain(steps, step_success, Restart(restart), attempts, correlation)
    document = chain_document(asked, expected_run(asked), step_usd)
    show_result(output, document, [document], partial(print_chain, document))
